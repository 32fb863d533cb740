"""Images of a TensorFlow Datasets data set that has been prepared locally."""

import os
import re
from pathlib import Path
from typing import Any

from tfcolor.core.errors import UserError
from tfcolor.data.sources.tfrecord import Shard, TfrecordSource

_MARKER = "dataset_info.json"
_VERSION = re.compile(r"\d+\.\d+\.\d+$")


def open_tfds(selection: str) -> TfrecordSource:
    """Opens one split of a prepared data set; never downloads.

    Data sets are looked for in `$TFDS_DATA_DIR`, or `~/tensorflow_datasets`.

    Args:
      selection: `NAME[/CONFIG][:VERSION][:SPLIT]`, where SPLIT may be a slice
        ("imagenet2012:train[:90%]"). The newest version and the split "train"
        are used unless given.

    Returns:
      The images, in the order of the data set's files.

    Raises:
      UserError: if the data set is not prepared here, has no such split, no
        single image feature, or another file format than TFRecord.
    """
    import tensorflow_datasets as tfds  # slow to import; most runs do not need it

    name, _, rest = selection.partition(":")
    version, _, split = (
        rest.partition(":") if _VERSION.match(rest.split(":")[0]) else ("", "", rest)
    )
    builder = tfds.builder_from_directory(_find_folder(name, version))
    file_format = builder.info.file_format
    if file_format is not None and file_format.value != "tfrecord":
        raise UserError(f"tfds:{name} is stored as {file_format.value}; expected tfrecord")
    features = builder.info.features
    label_key = _label_key(features, tfds.features.ClassLabel)
    return TfrecordSource(
        _shards(builder.info.splits, split or "train", name),
        keys=[_image_key(features, tfds.features.Image, name)],
        label_keys=[label_key] if label_key else [],
        class_names=features[label_key].names if label_key else [],
    )


def _find_folder(name: str, version: str) -> str:
    """Returns the folder of the newest fitting version of a data set."""
    root = Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
    markers = (root / name).glob(f"**/{version or '*'}/{_MARKER}")
    folders = [marker.parent for marker in markers if _VERSION.match(marker.parent.name)]
    if not folders:
        raise UserError(
            f"tfds:{name} is not prepared in {root}; run `tfds build {name} --data_dir={root}`, "
            "or set TFDS_DATA_DIR to where it is"
        )
    configs = sorted({str(folder.parent.relative_to(root)) for folder in folders})
    if len(configs) > 1:
        raise UserError(f"tfds:{name} has several configurations; name one: {', '.join(configs)}")
    return str(max(folders, key=lambda folder: [int(part) for part in folder.name.split(".")]))


def _image_key(features: Any, image_type: type, name: str) -> str:
    """Returns the key of the only image among a data set's features."""
    keys = [key for key, feature in features.items() if isinstance(feature, image_type)]
    if "image" in keys:
        return "image"
    if len(keys) != 1:
        found = ", ".join(keys) or "none"
        raise UserError(f"tfds:{name} needs one image feature or one called image; it has: {found}")
    return keys[0]


def _label_key(features: Any, label_type: type) -> str:
    """Returns the key of the class: "label", or the only one there is; or nothing."""
    keys = [key for key, feature in features.items() if isinstance(feature, label_type)]
    if "label" in keys:
        return "label"
    return keys[0] if len(keys) == 1 else ""


def _shards(splits: Any, split: str, name: str) -> list[Shard]:
    """Returns the records of a split or of a slice of it."""
    try:
        instructions = splits[split].file_instructions
    except (KeyError, ValueError) as error:
        known = ", ".join(splits)
        raise UserError(f"tfds:{name} has no split {split!r}; it has: {known}") from error
    return [Shard(str(part.filename), part.skip, part.take) for part in instructions]
