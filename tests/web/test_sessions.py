from tfcolor.web.sessions import SessionStore


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_the_one_unused_for_longest_makes_room():
    store = SessionStore(2, 100)
    first, second = store.add("a"), store.add("b")
    assert store.find(first) == "a"
    store.add("c")
    assert store.find(second) is None
    assert store.find(first) == "a"
    assert len(store) == 2


def test_what_is_not_used_is_forgotten():
    clock = Clock()
    store = SessionStore(5, 10, clock)
    used, unused = store.add("a"), store.add("b")
    clock.now = 9
    assert store.find(used) == "a"
    clock.now = 15
    assert store.find(unused) is None
    assert store.find(used) == "a"
    clock.now = 26
    assert len(store) == 0


def test_removed_items_are_gone_and_removing_twice_does_nothing():
    store = SessionStore(5, 10)
    token = store.add("a")
    store.remove(token)
    store.remove(token)
    assert store.find(token) is None


def test_tokens_cannot_be_guessed():
    store = SessionStore(1000, 10)
    tokens = {store.add(None) for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(len(token) == 24 for token in tokens)  # 144 bits in base 64
