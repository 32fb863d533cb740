from tfcolor.core.errors import UsageError, UserError


def test_wrong_command_lines_exit_with_two_and_other_errors_with_one():
    assert (UserError.exit_status, UsageError.exit_status) == (1, 2)


def test_usage_errors_are_caught_with_the_other_errors_of_users():
    assert isinstance(UsageError("unknown"), UserError)
