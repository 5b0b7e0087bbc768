"""The opt-outs of a programme, one list of each kind."""

from dataclasses import dataclass, fields

from linkcore.governance.withholding.opt_outs import OptOuts

__all__ = ["OptOutLists"]


@dataclass(frozen=True)
class OptOutLists:
    """The opt-outs of a programme; None where it has no list of a kind.

    Parameters
    ----------
    national : OptOuts, optional
        The National Data Opt-out: a list, or the answer of the national check.
    type_one : OptOuts, optional
        Type 1 opt-outs. They apply to GP data only.
    objections : OptOuts, optional
        Objections to the programme.
    excluded : OptOuts, optional
        People whose records are withheld for any other reason.

    Examples
    --------
    >>> OptOutLists().given()
    {}
    """

    national: OptOuts | None = None
    type_one: OptOuts | None = None
    objections: OptOuts | None = None
    excluded: OptOuts | None = None

    def given(self) -> dict[str, OptOuts]:
        """Return the lists that there are, by kind.

        Returns
        -------
        dict of str to OptOuts
            The keys are ``national``, ``type_one``, ``objections`` and ``excluded``.
        """
        return {each.name: opt_outs for each in fields(self) if (opt_outs := getattr(self, each.name)) is not None}
