"""An error that the operator can act on: what was found, what is allowed, the next step to take.

Library code raises these and prints nothing; the command line prints them and ends with their exit
code. Scripts rely on the codes, so a class keeps its code for ever:

    OperatorError       1   a check failed, or the answer is "no"
    InvalidInputError   2   an option, argument, file or setting is not what is allowed
    UnreachableError    3   a component is not running, not reachable, or refuses the password
    RefusedError        4   it could be done, but would harm what is there: a changed released migration, a
                        data folder that another process holds

Any other exception is a fault of spanledger's own and ends with 70. The text of an error never holds a
secret (a password, a token, a key) and never a prompt or an answer.
"""

from typing import ClassVar


class OperatorError(Exception):
    """Something that the operator can put right.

    Args:
        found: what is the case, as a statement; the first thing that is printed.
        allowed: what would have been right, where there is a choice.
        next_step: what to do now, as an order; a command where there is one.

    """

    exit_code: ClassVar[int] = 1

    def __init__(self, found: str, *, allowed: str = "", next_step: str = "") -> None:
        super().__init__(found)
        self.found = found
        self.allowed = allowed
        self.next_step = next_step

    def __str__(self) -> str:
        allowed = f"; allowed: {self.allowed}" if self.allowed else ""
        next_step = f"\nnext: {self.next_step}" if self.next_step else ""
        return f"{self.found}{allowed}{next_step}"


class InvalidInputError(OperatorError):
    """An option, argument, file or setting that is not what is allowed."""

    exit_code = 2


class UnreachableError(OperatorError):
    """A component that is not running, not reachable, or refuses the password."""

    exit_code = 3


class RefusedError(OperatorError):
    """A request that could be carried out, but would harm what is there."""

    exit_code = 4
