import tensorflow as tf

from tfcolor.training.parking import ParkedSlots


def _values(slots):
    return [slot.numpy().tolist() for slot in slots]


def test_each_task_finds_what_it_left():
    slots = [tf.Variable([1.0, 2.0]), tf.Variable(3, dtype=tf.int64)]
    parked = ParkedSlots(slots, num_tasks=3)
    parked.switch_to(0)
    assert _values(slots) == [[1, 2], 3]
    parked.switch_to(2)
    assert _values(slots) == [[0, 0], 0]
    slots[0].assign([7.0, 8.0])
    parked.switch_to(0)
    assert _values(slots) == [[1, 2], 3]
    parked.switch_to(2)
    assert _values(slots) == [[7, 8], 0]


def test_a_checkpoint_holds_whose_turn_it_is(tmp_path):
    def build():
        slots = [tf.Variable([1.0])]
        parked = ParkedSlots(slots, num_tasks=2)
        return slots, parked, tf.train.Checkpoint(slots=slots, parked=parked)

    slots, parked, checkpoint = build()
    parked.switch_to(1)
    slots[0].assign([5.0])
    path = checkpoint.write(str(tmp_path / "one"))
    slots, parked, checkpoint = build()
    checkpoint.read(path).assert_consumed()
    parked.switch_to(1)
    assert _values(slots) == [[5]]
    parked.switch_to(0)
    assert _values(slots) == [[1]]


def test_all_replicas_are_switched(two_devices):
    with two_devices.scope():
        slots = [tf.Variable([1.0])]
    parked = ParkedSlots(slots, num_tasks=2)
    parked.switch_to(1)
    local = two_devices.experimental_local_results(slots[0])
    assert [one.numpy().tolist() for one in local] == [[0], [0]]
    slots[0].assign([4.0])
    parked.switch_to(0)
    parked.switch_to(1)
    local = two_devices.experimental_local_results(slots[0])
    assert [one.numpy().tolist() for one in local] == [[4], [4]]
