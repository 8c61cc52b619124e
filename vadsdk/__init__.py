"""vadsdk: semi-supervised spatio-temporal action detection, from footage to action tubes."""
