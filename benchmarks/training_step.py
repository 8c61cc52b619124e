"""A training step of paper 1's network, ours against the straightforward form, in one run.

    python benchmarks/training_step.py [--repeats 3] [--threads 2]

`videocapsnet`, 24 classes, 2 labelled and 2 unlabelled clips of 8 x 224 x 224, two views, `e2e`.
The straightforward form is what a first reading of the paper gives: float32, all votes
materialised in
the routing, and the variance map by numpy loops over frames. Both take the same step on the same
clips.
Writes `results/training_step.json`.
"""
