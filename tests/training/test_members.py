import tensorflow as tf

from tfcolor.training.members import Member, shared_network


def test_figures_of_the_only_task_have_plain_names():
    assert Member(None, None, 1, seed=0).label("loss") == "loss"
    assert Member(None, None, 1, seed=0, name="jigsaw").label("loss") == "jigsaw/loss"


def test_an_update_knows_all_networks_by_name():
    backbone, *networks = (tf.keras.Model() for _ in range(3))
    members = tuple(
        Member(None, network, 1, seed=0, name=name)
        for network, name in zip(networks, "ab", strict=True)
    )
    shared = shared_network(backbone, members)
    assert shared.backbone is backbone
    assert shared.networks == tuple(networks)
    assert shared.names == ("a", "b")
