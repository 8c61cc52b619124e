"""The losses: one file each, functions of tensors.

Legend: B clips, T frames, H, W, K classes. A supervised loss leaves out rows whose class is -1 or
whose weight is 0; where no row counts it is a zero that is still connected to the graph.
"""

from vadsdk.losses.bce import bce_loss
from vadsdk.losses.classification_consistency import classification_consistency_loss
from vadsdk.losses.cross_entropy import cross_entropy_loss
from vadsdk.losses.cross_modal_contrast import cross_modal_contrast_loss, one_way_contrast_loss
from vadsdk.losses.dice import dice_loss
from vadsdk.losses.difference_of_pixels import difference_of_pixels_loss
from vadsdk.losses.gradient_smoothness import gradient_smoothness_loss
from vadsdk.losses.localisation_consistency import localisation_consistency_loss
from vadsdk.losses.logit_cross_entropy import logit_cross_entropy_loss
from vadsdk.losses.modality_alignment import modality_alignment_loss
from vadsdk.losses.multi_label_cross_entropy import multi_label_loss
from vadsdk.losses.pseudo_label_cross_entropy import confident_classes, pseudo_label_loss
from vadsdk.losses.region import RegionLosses, RegionSettings, region_loss
from vadsdk.losses.spread import released_spread_loss, spread_loss, spread_margin
from vadsdk.losses.temporal_coherence import temporal_coherence_loss

__all__ = [
    "RegionLosses",
    "RegionSettings",
    "bce_loss",
    "classification_consistency_loss",
    "confident_classes",
    "cross_entropy_loss",
    "cross_modal_contrast_loss",
    "dice_loss",
    "difference_of_pixels_loss",
    "gradient_smoothness_loss",
    "localisation_consistency_loss",
    "logit_cross_entropy_loss",
    "modality_alignment_loss",
    "multi_label_loss",
    "one_way_contrast_loss",
    "pseudo_label_loss",
    "region_loss",
    "released_spread_loss",
    "spread_loss",
    "spread_margin",
    "temporal_coherence_loss",
]
