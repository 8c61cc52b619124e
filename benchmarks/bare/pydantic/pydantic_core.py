"""The one name of pydantic_core that settings import; see `pydantic` beside this file."""

from typing import Any

ErrorDetails = dict[str, Any]
