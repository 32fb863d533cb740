"""Where the colors of a file come from, told in its XMP, never in its pixels."""

import dataclasses

from tfcolor import __version__
from tfcolor.data.metadata import Metadata
from tfcolor.data.xmp import merge_xmp, read_xmp

SOFTWARE = f"tfcolor {__version__}"

# The IPTC vocabulary calls this "edited using generative AI". The other terms
# fit less: "algorithmicallyEnhanced" is a correction that adds no content, but
# these colors were never in the photograph; "trainedAlgorithmicMedia" is made by
# a model altogether, but everything except the colors is the photograph's.
DIGITAL_SOURCE_TYPE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)

_SOURCE_TYPE = "Iptc4xmpExt:DigitalSourceType"
_EARLIER_SOURCE_TYPE = "tfcolor:EarlierDigitalSourceType"
_CREATOR_TOOL = "xmp:CreatorTool"


@dataclasses.dataclass(frozen=True)
class Provenance:
    """What makes a colorization repeatable.

    Args:
      model: the run, export or server.
      checkpoint_sha256: of the model's variables, in hexadecimal digits.
      seed: with which colors were drawn.
      flags: that were given.
      source_sha256: of the photograph's file, in hexadecimal digits.
    """

    model: str = ""
    checkpoint_sha256: str = ""
    seed: int | None = None
    flags: str = ""
    source_sha256: str = ""

    def merge_into(self, metadata: Metadata, *, has_texts: bool) -> bytes:
        """Returns the XMP of a result.

        The photograph's own properties stay. The tool that created it is named
        only where no tool is, and an earlier statement of its source is kept
        beside the new one.

        Args:
          metadata: of the photograph.
          has_texts: whether its remarks go here, for want of another place.

        Returns:
          The packet.
        """
        known = read_xmp(metadata.xmp)
        properties: dict[str, str | tuple[str, ...]] = {
            _SOURCE_TYPE: DIGITAL_SOURCE_TYPE,
            "tfcolor:Version": SOFTWARE,
            "tfcolor:Model": self.model,
            "tfcolor:CheckpointSHA256": self.checkpoint_sha256,
            "tfcolor:Seed": "" if self.seed is None else str(self.seed),
            "tfcolor:Flags": self.flags,
            "tfcolor:SourceSHA256": self.source_sha256,
        }
        if known.get(_SOURCE_TYPE, DIGITAL_SOURCE_TYPE) != DIGITAL_SOURCE_TYPE:
            properties[_EARLIER_SOURCE_TYPE] = known[_SOURCE_TYPE]
        if _CREATOR_TOOL not in known:
            properties[_CREATOR_TOOL] = SOFTWARE
        if has_texts and metadata.texts:
            remarks = (f"{remark.keyword}: {remark.text}" for remark in metadata.texts)
            properties["tfcolor:Remarks"] = tuple(remarks)
        return merge_xmp(metadata.xmp, {name: value for name, value in properties.items() if value})
