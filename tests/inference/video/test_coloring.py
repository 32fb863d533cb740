import dataclasses
import logging

import av
import numpy as np
import pytest

from tfcolor.core.errors import UsageError, UserError
from tfcolor.inference.provenance import Provenance
from tfcolor.inference.variations import Wishes
from tfcolor.inference.video import coloring
from tfcolor.inference.video.coloring import VideoSettings, color_video
from tfcolor.inference.video.options import VideoOptions

EXACT = VideoOptions(codec="ffv1", smoothing=0.5, segment_seconds=0.1)
FAST = VideoOptions(preset="ultrafast", smoothing=0.5, segment_seconds=0.1)
ALONE = dataclasses.replace(EXACT, smoothing=0.0)


def color(colorizer, source, target, options, **settings):
    return color_video(colorizer, source, target, VideoSettings(options=options, **settings))


def sound(path):
    """Returns the content and the times of all packets of sound."""
    with av.open(str(path)) as container:
        return [(bytes(item), item.pts) for item in container.demux(audio=0) if item.size]


def leftovers(folder):
    return [path for path in folder.iterdir() if ".parts" in path.name or path.name[0] == "."]


class PaleColorizer:
    """A colorizer whose predictions become less sure from frame to frame."""

    def __init__(self, colorizer):
        self._colorizer = colorizer
        self.painter, self.decoding = colorizer.painter, colorizer.decoding
        self.num_seen = 0

    def histograms(self, gray):
        self.num_seen += 1
        share = 0.5 * (self.num_seen % 2)
        return {
            name: (1 - share) * value + share / value.shape[-1]
            for name, value in self._colorizer.histograms(gray).items()
        }


def test_a_film_is_colored_with_its_times_and_its_sound(
    tiny_colorizer, write_film, scene, read_pictures, tmp_path
):
    times = [0, 40, 50, 400, *range(440, 1080, 40)]
    source = write_film(
        tmp_path / "film.mp4",
        scene,
        times=times,
        codec="libx264",
        pixel_format="yuv420p",
        extras={"sound": "aac"},
    )
    target = tmp_path / "results" / "film.mp4"
    told = Provenance(model="runs/tiny", checkpoint_sha256="ab12", seed=3, flags="--a=b")
    record = color(tiny_colorizer, source, target, FAST, provenance=told)
    pictures, found_times = read_pictures(target)
    assert [1000 * time for time in found_times] == times
    assert sound(target) == sound(source)
    assert np.ptp(pictures.astype(int), axis=-1).mean() > 3
    error = pictures.mean(axis=-1) - read_pictures(source)[0].mean(axis=-1)
    assert np.abs(error).mean() < 5
    assert (record.num_frames, record.num_shots, record.size) == (20, 1, (48, 64))
    assert 0 < record.doubt < 1
    assert record.problem == ""
    assert leftovers(target.parent) == []
    with av.open(str(target)) as container:
        comment = container.metadata["comment"]
    for part in ("runs/tiny", "ab12", "seed 3", "--a=b", "compositeWithTrainedAlgorithmicMedia"):
        assert part in comment


def test_lossless_results_keep_the_lightness_of_every_pixel(
    tiny_colorizer, write_film, scene, read_pictures, tmp_path
):
    source = write_film(tmp_path / "film.mkv", scene[:9, :45, :61])
    color(tiny_colorizer, source, tmp_path / "result.mkv", EXACT)
    pictures, _ = read_pictures(tmp_path / "result.mkv")
    sums = pictures.sum(axis=-1, dtype=int)
    np.testing.assert_array_equal(sums, 3 * scene[:9, :45, :61].astype(int))


def test_nothing_crosses_a_cut(
    tiny_colorizer, write_film, scene, other_scene, read_pictures, tmp_path
):
    whole = np.concatenate([scene[:10], other_scene])
    shots = {"whole": whole, "first": scene[:10], "second": other_scene}
    results = {}
    for name, frames in shots.items():
        source = write_film(tmp_path / f"{name}.mkv", frames)
        record = color(tiny_colorizer, source, tmp_path / f"{name}_result.mkv", EXACT)
        assert record.num_shots == (2 if name == "whole" else 1)
        results[name] = read_pictures(tmp_path / f"{name}_result.mkv")[0]
    # Segments end elsewhere, so that frames know more or less of their future.
    found = results["whole"].astype(int)
    assert np.abs(found[:10] - results["first"]).max() <= 6
    assert np.abs(found[10:] - results["second"]).max() <= 6
    np.testing.assert_array_equal(found[-4:], results["second"][-4:])


def test_smoothing_lowers_flicker(tiny_colorizer, write_film, scene, read_pictures, tmp_path):
    source = write_film(tmp_path / "film.mkv", scene[:1].repeat(12, axis=0))
    changes = []
    for name, options in (("alone", ALONE), ("smooth", EXACT)):
        target = tmp_path / f"{name}.mkv"
        color(PaleColorizer(tiny_colorizer), source, target, options)
        pictures, _ = read_pictures(target)
        changes.append(np.abs(np.diff(pictures.astype(int), axis=0)).mean())
    assert changes[0] > 3 * changes[1]


@pytest.mark.parametrize("num_written", [3, 11])
def test_an_interrupted_job_goes_on_to_the_same_file(
    tiny_colorizer, write_film, scene, tmp_path, monkeypatch, num_written
):
    source = write_film(tmp_path / "film.mkv", scene, extras={"sound": "aac"})
    target = tmp_path / "result.mkv"
    wishes = Wishes(targets={"hue": np.full(8, 1 / 8)})
    color(tiny_colorizer, source, target, FAST, wishes=wishes)
    expected = target.read_bytes()
    target.unlink()
    write, written = coloring.PartWriter.write, []

    def write_some(self, rgb, time, duration):
        if len(written) == num_written:
            raise KeyboardInterrupt
        written.append(time)
        write(self, rgb, time, duration)

    monkeypatch.setattr(coloring.PartWriter, "write", write_some)
    with pytest.raises(KeyboardInterrupt):
        color(tiny_colorizer, source, target, FAST, wishes=wishes)
    monkeypatch.undo()
    assert not target.exists()
    again = PaleColorizer(tiny_colorizer)
    again.histograms = lambda gray: (seen.append(1), tiny_colorizer.histograms(gray))[1]
    seen = []
    record = color(again, source, target, FAST, wishes=wishes)
    assert len(seen) == 20 - 8 * (num_written // 8)
    assert target.read_bytes() == expected
    assert record.num_frames == 20
    assert leftovers(tmp_path) == []


def test_other_wishes_do_not_take_over_segments(
    tiny_colorizer, write_film, scene, tmp_path, monkeypatch
):
    source = write_film(tmp_path / "film.mkv", scene)
    target = tmp_path / "result.mkv"

    def stop(*arguments, **settings):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(coloring, "join_parts", stop)
        with pytest.raises(KeyboardInterrupt):
            color(tiny_colorizer, source, target, FAST, digest="one model")
    counting = PaleColorizer(tiny_colorizer)
    color(counting, source, target, FAST, digest="another model")
    assert counting.num_seen == 20


def test_a_cut_off_film_is_colored_as_far_as_it_goes(
    tiny_colorizer, write_film, read_pictures, tmp_path, caplog
):
    noise = np.random.default_rng(0).integers(0, 256, (75, 24, 32)).astype(np.uint8)
    source = write_film(tmp_path / "film.mkv", noise)
    content = source.read_bytes()
    source.write_bytes(content[: len(content) // 4])
    caplog.set_level(logging.INFO)
    record = color(tiny_colorizer, source, tmp_path / "result.mkv", ALONE)
    assert record.problem.startswith("ends at 0:00:00.")
    assert record.problem.endswith("of 0:00:03.00; what is there is colored")
    assert any("film.mkv: ends at" in message for message in caplog.messages)
    assert len(read_pictures(tmp_path / "result.mkv")[0]) == record.num_frames > 10


def test_memory_bounds_the_segments(tiny_colorizer, write_film, scene, tmp_path, monkeypatch):
    source = write_film(tmp_path / "film.mkv", scene)
    long = dataclasses.replace(ALONE, segment_seconds=99.0)
    lengths = []
    add = coloring.Segments.add

    def count(self, write):
        add(self, write)
        lengths.append(int(self.state["done"]))

    monkeypatch.setattr(coloring.Segments, "add", count)
    monkeypatch.setattr(coloring, "MEMORY_BYTES", 1)
    color(tiny_colorizer, source, tmp_path / "result.mkv", long)
    assert lengths == [8, 16, 20]


def test_bad_requests_leave_nothing_behind(tiny_colorizer, write_film, scene, tmp_path):
    source = write_film(tmp_path / "film.mkv", scene[:2])
    empty = tmp_path / "empty.mp4"
    empty.write_bytes(b"")
    known = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=r"empty\.mp4: cannot be read as a video"):
        color(tiny_colorizer, empty, tmp_path / "result.mp4", FAST)
    with pytest.raises(UserError, match=r"ends in \.mp4"):
        color(tiny_colorizer, source, tmp_path / "result.gif", FAST)
    with pytest.raises(UsageError, match="--num_samples=2"):
        wishes = Wishes(decodings=Wishes().decodings * 2)
        color(tiny_colorizer, source, tmp_path / "result.mkv", FAST, wishes=wishes)
    assert sorted(tmp_path.iterdir()) == known
