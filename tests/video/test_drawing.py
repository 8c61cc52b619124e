from __future__ import annotations

import numpy as np
import pytest

from vadsdk.structures import Detections, FrameResult
from vadsdk.structures.detections import NO_TRACK
from vadsdk.video import contact_sheet, draw_result, track_colour
from vadsdk.video.drawing import captions
from vadsdk.video.label_plates import Layout, make_fitting_plate, make_plate
from vadsdk.video.palette import BLACK, WHITE, text_colour

LABELS = ("pour", "wave")


def result_of(boxes, *, track_ids=None, masks=None, labels=LABELS, scores=None):
    count = len(boxes)
    detections = Detections(
        boxes_xyxy=np.array(boxes, np.float32).reshape(count, 4),
        class_scores=np.tile(np.array([[0.91, 0.2]], np.float32), (count, 1))
        if scores is None
        else np.array(scores, np.float32),
        track_ids=np.array(track_ids if track_ids else range(count), np.int64),
        masks=masks,
    )
    return FrameResult(index=0, pts_seconds=0.0, detections=detections, labels=labels)


def grey(height=120, width=160):
    return np.full((height, width, 3), 90, np.uint8)


def changed(drawn, image):
    """First and last row and column that differ."""
    rows, columns = np.where((drawn != image).any(-1))
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_drawing_leaves_the_image_alone():
    image = grey()
    image.flags.writeable = False
    drawn = draw_result(image, result_of([(20, 40, 60, 100)]))
    assert (image == 90).all()
    assert drawn.shape == image.shape
    assert (drawn != image).any()


def test_nothing_found_draws_nothing():
    np.testing.assert_array_equal(draw_result(grey(), result_of(np.zeros((0, 4)))), grey())


def test_a_box_is_drawn_through_its_own_first_and_last_pixels():
    image = grey(720, 960)  # whose lines are 3 pixels wide, with a dark edge on both sides
    drawn = draw_result(image, result_of([(300, 300, 600, 500)], track_ids=[3]))
    for row, column in ((400, 300), (400, 599), (300, 400), (499, 400)):
        assert tuple(drawn[row, column]) == track_colour(3)
    _, bottom, left, right = changed(drawn, image)
    assert 300 - left == right - 599 == bottom - 499 == 3
    assert (drawn[304:496, 304:596] == 90).all()


def test_a_mask_is_tinted_inside_and_nowhere_else():
    masks = np.zeros((1, 120, 160), np.bool_)
    masks[0, 70:90, 70:90] = True
    drawn = draw_result(grey(), result_of([(60, 60, 100, 100)], track_ids=[2], masks=masks))
    expected = 0.65 * 90 + 0.35 * np.array(track_colour(2))
    np.testing.assert_allclose(drawn[80, 80], expected, atol=1)
    assert (drawn[65:68, 64:96] == 90).all()


def test_an_empty_mask_is_no_trouble():
    masks = np.zeros((1, 120, 160), np.bool_)
    draw_result(grey(), result_of([(60, 60, 100, 100)], masks=masks))


@pytest.mark.parametrize(
    "box", [(0, 0, 10, 10), (150, 0, 300, 20), (-50, -50, 5, 5), (150, 110, 160, 120)]
)
@pytest.mark.parametrize("label", ["pour", "a very long name of an action that fits nowhere"])
def test_a_label_stays_inside_the_frame(box, label):
    plate = make_plate(f"{label} 0.91 #12", max_width=160, text_height=7)
    x, y = Layout(120, 160).place(plate, box)
    assert 0 <= x <= x + plate.width <= 160
    assert 0 <= y <= y + plate.height <= 120
    draw_result(grey(), result_of([box], labels=(label, "wave")))


def test_a_long_label_gets_smaller_before_it_gets_shorter():
    text = "climb stairs 0.91 #12"
    room = make_plate(text, max_width=1000, text_height=20)
    tight = make_plate(text, max_width=room.width * 2 // 3, text_height=20)
    assert tight.text == text
    assert tight.scale < room.scale
    tiny = make_plate(text, max_width=40, text_height=20)
    assert tiny.width <= 40
    assert tiny.text.endswith("..")


@pytest.mark.parametrize(
    ("wanted", "said"), [(51, "pour 0.91 #3"), (50, "pour #3"), (32, "pour #3"), (10, "pour")]
)
def test_a_label_says_as_much_as_there_is_room_for(wanted, said):
    texts = ["pour 0.91 #3", "pour #3", "pour"]
    plate = make_fitting_plate(texts, wanted_width=wanted, max_width=96, text_height=7)
    assert plate.text == said


def test_the_labels_of_a_tiny_frame_leave_its_actors_to_be_seen():
    boxes = [(11, 18, 40, 62), (53, 12, 84, 62)]
    masks = np.zeros((2, 72, 96), np.bool_)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[y1 + 1 : y2 - 1, x1 + 1 : x2 - 1] = True
    drawn = draw_result(grey(72, 96), result_of(boxes, masks=masks))
    for index, mask in enumerate(masks):
        tinted = 0.65 * 90 + 0.35 * np.array(track_colour(index))
        seen = (np.abs(drawn[mask] - tinted) <= 1).all(-1).mean()
        assert seen > 0.75  # of the rest most is contour


def test_a_label_without_room_above_goes_inside_a_large_box_and_below_a_small_one():
    plate = make_plate("pour", max_width=96, text_height=7)
    assert Layout(480, 640).place(plate, (20, 5, 90, 300)) == (20, 5)
    assert Layout(480, 640).place(plate, (20, 5, 90, 60)) == (20, 60)


def test_labels_do_not_cover_each_other_where_there_is_room():
    layout = Layout(480, 640)
    plate = make_plate("pour 0.91 #3", max_width=640, text_height=10)
    spots = [layout.place(plate, (200, 200, 400, 400)) for _ in range(6)]
    for index, (x, y) in enumerate(spots):
        for other_x, other_y in spots[:index]:
            assert abs(x - other_x) >= plate.width or abs(y - other_y) >= plate.height


def test_lines_and_letters_grow_with_the_frame():
    sizes = []
    for scale in (2, 8):
        image = grey(240 * scale, 320 * scale)
        box = np.array([100, 100, 200, 200]) * scale
        drawn = draw_result(image, result_of([box]))
        top, _, _, _ = changed(drawn, image)
        sizes.append(box[1] - top)
    assert 2.5 * sizes[0] < sizes[1] < 6 * sizes[0]


@pytest.mark.parametrize("background", [0, 100, 160, 255])
def test_text_stands_out_on_every_plate(background):
    assert text_colour((background,) * 3) == (BLACK if background > 128 else WHITE)
    plate = make_plate("pour 0.91", max_width=160, text_height=9)
    image = grey()
    plate.draw(image, 0, 0, (background,) * 3)
    levels = image[: plate.height, : plate.width].astype(int)
    assert np.ptp(levels) > 90


def test_the_surest_detection_is_drawn_last():
    boxes = [(60, 60, 100, 100), (60, 60, 100, 100)]
    drawn = draw_result(grey(), result_of(boxes, scores=[[0.9, 0.1], [0.4, 0.1]]))
    assert tuple(drawn[80, 60]) == track_colour(0)


def test_captions_leave_out_what_is_not_known():
    detections = result_of([(0, 0, 9, 9)] * 2, track_ids=[3, NO_TRACK]).detections
    assert captions(detections, 0, LABELS) == ["pour 0.91 #3", "pour #3", "pour"]
    assert captions(detections, 1, LABELS)[0] == "pour 0.91"
    unnamed = Detections(
        boxes_xyxy=np.array([[0, 0, 9, 9]], np.float32),
        class_scores=np.zeros((1, 0), np.float32),
        track_ids=np.array([5]),
    )
    assert captions(unnamed, 0, ()) == ["#5"]


def test_colours_of_tubes_are_stable_and_distinct():
    colours = [track_colour(index) for index in range(21)]
    assert len(set(colours)) == 21
    assert track_colour(23) == colours[2]
    differences = np.abs(np.diff(np.array(colours[:8]), axis=0)).sum(1)
    assert differences.min() > 100
    assert track_colour(NO_TRACK) not in colours


def test_a_contact_sheet_shows_every_image_in_a_cell_of_its_own():
    images = [np.full((20, 30, 3), level, np.uint8) for level in (10, 20, 30)]
    sheet = contact_sheet([*images, np.zeros((40, 40, 3), np.uint8)], 3)
    assert sheet.shape == (2 * 24 + 4, 3 * 34 + 4, 3)
    assert [sheet[10, 4 + 34 * column + 5, 0] for column in range(3)] == [10, 20, 30]
    shrunk = np.argwhere(sheet[28:, :, 0] == 0)
    assert np.ptp(shrunk, axis=0).tolist() == [19, 19]
    assert (sheet[0] == 255).all()


@pytest.mark.parametrize(("images", "columns"), [([], 3), ([grey()], 0)])
def test_a_contact_sheet_of_nothing_is_an_error(images, columns):
    with pytest.raises(ValueError, match="shows nothing"):
        contact_sheet(images, columns)
