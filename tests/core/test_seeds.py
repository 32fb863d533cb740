import itertools
import subprocess
import sys

from tfcolor.core.seeds import derive_seed

NAMES = ("", "a", "b", "vgg16/conv1_1/kernel", "vgg16/conv1_1/bias")


def test_every_pair_of_seed_and_name_gives_another_number():
    pairs = list(itertools.product((0, 1, -1, 2**40), NAMES))
    assert len({derive_seed(*pair) for pair in pairs}) == len(pairs)


def test_seeds_fit_the_generators():
    derived = [derive_seed(seed, "x") for seed in range(1000)]
    assert all(0 <= seed < 2**31 - 1 for seed in derived)
    assert max(derived) > 2**30  # the whole range is used


def test_another_process_derives_the_same_seed():
    code = (
        "import sys; from tfcolor.core.seeds import derive_seed;"
        "sys.stdout.write(str(derive_seed(3, 'x')))"
    )
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(output) == derive_seed(3, "x")
