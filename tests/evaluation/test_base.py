import pytest

from tfcolor.evaluation.base import NetworkProtocol
from tfcolor.evaluation.protocols import PROTOCOLS
from tfcolor.evaluation.subjects import NETWORKS
from tfcolor.tasks import TASKS

MEASURING_NETWORKS = [one for one in PROTOCOLS.values() if one.subject == NETWORKS]


@pytest.mark.parametrize("protocol", MEASURING_NETWORKS, ids=lambda one: one.name)
def test_protocols_of_networks_share_their_base(protocol):
    assert issubclass(protocol, NetworkProtocol)
    assert protocol.task in ("", *TASKS)
    assert callable(protocol(protocol.Options()).evaluate)


def test_a_protocol_measures_a_single_network_of_any_task_by_default():
    assert (NetworkProtocol.task, NetworkProtocol.takes_several) == ("", False)
