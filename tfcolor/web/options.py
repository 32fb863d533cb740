"""Where the studio listens and how much it takes."""

import dataclasses
import ipaddress

from tfcolor.core.options import check_options, option


@dataclasses.dataclass(frozen=True)
class StudioOptions:
    """The studio: where it listens and how much it takes."""

    host: str = option(
        "127.0.0.1", "address to listen at; 0.0.0.0 lets other machines in, without a password"
    )
    port: int = option(8600, "port of the page; 0 takes a free one", minimum=0, maximum=65535)
    allowed_hosts: tuple[str, ...] = option(
        (),
        "names by which a browser may call the studio, besides localhost and IP addresses; any"
        " other is refused, so that no web site can point its own name at this machine",
    )
    max_upload_mb: float = option(100.0, "largest file, in megabytes", minimum=0.001)
    max_megapixels: float = option(40.0, "largest photograph, in millions of pixels", minimum=0.001)
    max_photographs: int = option(
        8, "photographs kept in memory; the one unused for longest makes room", minimum=1
    )
    expire_minutes: float = option(60.0, "an unused photograph is forgotten after", minimum=0.001)
    max_requests: int = option(2, "requests computed at a time; others wait", minimum=1)

    def __post_init__(self) -> None:
        """Raises UsageError if a value is not accepted."""
        check_options(self)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the studio."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
