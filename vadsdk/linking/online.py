"""The online linker: detections in, frame by frame; track ids, events and finished tubes out.

    frame           0 1 2 3 4 5 6 7 8 9 ...
    detections      # # # . . # # # # .  .  .      (`.`: the actor was not found)
    track_ids       1 1 1     1 1 1 1
    events              started                 ended, after max_gap_frames
    tube            |---------------|              gaps filled, frames 0 to 8

An id is a tube's: an actor keeps it as long as he acts. When he stops, his detections go without
one; when he acts again, he gets a new id. An id is never used twice. Every id ends with one "ended"
event; the "started" event comes only if it was confirmed. The ids of frames that are out already
are not taken back when a finished tube is trimmed, or split where its actor began another action.

State is bounded: at most `max_gap_frames + 1` times the detections of a frame are followed, and at
most `max_tube_frames` observations kept of each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vadsdk.linking.actors import Actor
from vadsdk.linking.matching import match_scored_boxes
from vadsdk.linking.spec import LinkingSpec
from vadsdk.linking.tube_builder import Observation, TubeBuilder
from vadsdk.structures import Detections, TubeEvent
from vadsdk.structures.detections import NO_TRACK


class OnlineLinker:
    """Links the actors of a source's frames into tubes; the loop is the caller's."""

    def __init__(self, labels: tuple[str, ...], spec: LinkingSpec | None = None) -> None:
        self._labels = labels
        self._spec = spec or LinkingSpec()
        self._actors: list[Actor] = []
        self._events: list[TubeEvent] = []
        self._num_ids = 0
        self._index = -1
        self._pts_seconds = 0.0
        self._frame_seconds = 0.0

    @property
    def num_actors(self) -> int:
        """How many actors are being followed, those in a gap among them."""
        return len(self._actors)

    def update(
        self, index: int, pts_seconds: float, detections: Detections
    ) -> tuple[Detections, tuple[TubeEvent, ...]]:
        """Link one frame.

        Args:
            index: position of the frame in its source, greater than the last one's; frames that
                were left out count as frames without detections.
            pts_seconds: its presentation time.
            detections: what was found; their track ids are ignored.

        Returns:
            The detections with their track ids, and the tubes that began or ended.
        """
        self._advance(index, pts_seconds, detections)
        self._drop_lost(missed_from=index - 1)  # frames were left out
        rows, columns = self._match(index, detections)
        track_ids = np.full(len(detections), NO_TRACK, np.int64)
        observations = [
            Observation(index=index, pts_seconds=pts_seconds, box_xyxy=box, class_scores=scores)
            for box, scores in zip(detections.boxes_xyxy, detections.class_scores, strict=True)
        ]
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            track_ids[column] = self._continue(self._actors[row], observations[column])
        for row in set(range(len(self._actors))) - set(rows.tolist()):
            missing = self._actors[row].tube
            if missing is not None:
                missing.follow(index, pts_seconds)
        self._drop_lost(missed_from=index)
        for column in sorted(set(range(len(detections))) - set(columns.tolist())):
            track_ids[column] = self._begin(observations[column])
        return detections.with_track_ids(track_ids), self._take_events()

    def finish(self) -> tuple[TubeEvent, ...]:
        """End all tubes, as at the end of the source; frames may follow, and ids go on."""
        for actor in self._actors:
            self._close(actor)
        self._actors = []
        return self._take_events()

    def _advance(self, index: int, pts_seconds: float, detections: Detections) -> None:
        if index <= self._index:
            raise ValueError(f"frame {index} came after frame {self._index}; frames come in order")
        if detections.class_scores.shape[1] != len(self._labels):
            raise ValueError(
                f"{detections.class_scores.shape[1]} class scores for {len(self._labels)} labels"
            )
        if self._index >= 0:
            self._frame_seconds = (pts_seconds - self._pts_seconds) / (index - self._index)
        self._index, self._pts_seconds = index, pts_seconds

    def _match(
        self, index: int, detections: Detections
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        if not self._actors or not len(detections):
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        predicted = np.stack([actor.predict(index) for actor in self._actors])
        scores = np.stack([actor.action.smoothed_scores for actor in self._actors])
        return match_scored_boxes(
            predicted, scores, detections.boxes_xyxy, detections.class_scores, self._spec
        )

    def _continue(self, actor: Actor, observation: Observation) -> int:
        """Return the id of the tube that an actor's new detection belongs to."""
        actor.observe(observation)
        tube = actor.tube
        if tube is None:
            if not actor.action.has_resumed:
                return NO_TRACK
            tube = TubeBuilder(self._new_id(), [observation])
        elif actor.action.has_stopped:
            self._end_tube(actor, tube, observation)
            return NO_TRACK
        elif observation.index - tube.first.index >= self._spec.max_tube_frames:
            self._end_tube(actor, tube, observation)
            tube = TubeBuilder(self._new_id(), [observation])
        else:
            tube.add(observation)
            if actor.switches_action(tube.best_class):
                tube = self._split_tube(actor, tube)
        actor.tube = tube
        return self._confirm(tube)

    def _begin(self, observation: Observation) -> int:
        if observation.class_scores.max() < self._spec.birth_score:
            return NO_TRACK
        tube = TubeBuilder(self._new_id(), [observation])
        self._actors.append(Actor(observation, tube, self._spec))
        return self._confirm(tube)

    def _confirm(self, tube: TubeBuilder) -> int:
        if not tube.is_started and len(tube) >= self._spec.confirm_frames:
            tube.is_started = True
            self._events.append(TubeEvent(kind="started", tube_id=tube.tube_id))
        return tube.tube_id

    def _split_tube(self, actor: Actor, earlier: TubeBuilder) -> TubeBuilder:
        """End the tube where another action began; what came since is the new tube's."""
        since = actor.other_action_since
        actor.other_action_since = None
        if since is None or since <= earlier.first.index:
            return earlier
        later = earlier.split(since, self._new_id())
        self._end_tube(actor, earlier, later.first)
        return later

    def _drop_lost(self, *, missed_from: int) -> None:
        """Drop the actors whose gap, up to and with frame `missed_from`, is too long to bridge."""
        longest = self._spec.max_gap_frames
        lost = [a for a in self._actors if missed_from - a.last.index > longest]
        for actor in lost:
            self._close(actor)
        if lost:
            self._actors = [a for a in self._actors if a not in lost]

    def _close(self, actor: Actor) -> None:
        if actor.tube is not None:
            self._end_tube(actor, actor.tube, None)

    def _end_tube(self, actor: Actor, tube: TubeBuilder, following: Observation | None) -> None:
        """Emit the "ended" event; `following` is the actor's first observation after the tube."""
        if following is not None:
            tube.follow(following.index, following.pts_seconds)
        finished = tube.build(
            self._labels,
            self._spec,
            cut_score=actor.action.cut_score,
            frame_seconds=self._frame_seconds,
        )
        self._events.append(TubeEvent(kind="ended", tube_id=tube.tube_id, tube=finished))
        actor.tube = None

    def _new_id(self) -> int:
        self._num_ids += 1
        return self._num_ids

    def _take_events(self) -> tuple[TubeEvent, ...]:
        events, self._events = tuple(self._events), []
        return events
