"""Whether a programme can be linked, and to whom it can be released on a day, judged before anything is linked."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from linkcore.errors import Faults, RefusedError
from linkcore.governance.releases.agreements import Agreement
from linkcore.governance.releases.checks import refuse_shared_keys
from linkcore.governance.withholding.withholding import refuse_missing_lists
from linkcore.keys.key import Key
from linkcore.keys.keyring import Keyring
from linkcore.programme.programme import Checked, Programme

__all__ = ["Verdict", "judge"]

Keys: TypeAlias = Mapping[str, Key] | Keyring


@dataclass(frozen=True)
class Verdict:
    """The verdict on a programme.

    Parameters
    ----------
    on : datetime.date
        The day of release.
    checked : Checked
        What the check of the programme found.
    reasons : mapping of str to tuple of str
        For each recipient, the reasons for which nothing can be released to it on this day. None means that it can.
    not_looked_at : tuple of str
        What was not looked at, since its key was not given.
    """

    on: dt.date
    checked: Checked
    reasons: Mapping[str, tuple[str, ...]]
    not_looked_at: tuple[str, ...]

    @property
    def linkable(self) -> bool:
        """Whether nothing forbids to link."""
        return not self.checked.linking.found

    def text(self) -> Iterator[str]:
        """Yield a line that says whether the programme is linkable, and one for each recipient."""
        yield f"linkable: {'yes' if self.linkable else 'no'}"
        left = f" (not looked at: {', '.join(self.not_looked_at)})" if self.not_looked_at else ""
        for recipient, reasons in self.reasons.items():
            said = f"no, because {'; '.join(reasons)}" if reasons else f"yes{left}"
            yield f"releasable on {self.on} to {recipient}: {said}"

    def described(self) -> dict[str, object]:
        """Return the verdict as plain data."""
        return {
            "on": str(self.on),
            "linkable": self.linkable,
            "linking_faults": list(self.checked.linking.messages()),
            "releasable": {
                recipient: {"yes": not reasons, "because": list(reasons)} for recipient, reasons in self.reasons.items()
            },
            "not_looked_at": list(self.not_looked_at),
        }

    def raise_all(self) -> None:
        """Raise what the check found, or else that somebody would get nothing."""
        self.checked.raise_all()
        refused = sum(map(bool, self.reasons.values()))
        if refused:
            raise RefusedError(
                f"on {self.on}, {refused} of {len(self.reasons)} recipients would get nothing: the reasons are listed "
                "above"
            )


def judge(programme: Programme, on: dt.date, *, keys: Keys | None = None) -> Verdict:
    """Judge a programme without linking it.

    Parameters
    ----------
    programme : Programme
        The programme.
    on : datetime.date
        The day of release.
    keys : mapping of str to Key, or Keyring, optional
        The recipients' keys, and that of the audit log. Without them, neither is looked at.

    Returns
    -------
    Verdict

    Raises
    ------
    RefusedError
        If the programme was destroyed or has ended.
    """
    checked = programme.checked(on)
    of_all = Faults()
    left = [] if keys is not None else ["the recipients' keys"]
    if programme.audit is not None and programme.audit.key is not None and not isinstance(keys, Keyring):
        left.append("the audit log")
    else:
        with of_all.collected(programme.placed):
            _check_audit_log(programme, keys)
    reasons = {}
    for number, agreement in enumerate(programme.agreements(), start=1):
        faults = Faults()
        faults.found += [*checked.releasing.found, *of_all.found, *checked.recipients[agreement.recipient].found]
        place = partial(programme.placed, key=f"recipient[{number}]")
        for check in (
            agreement.refuse_without_passphrase,
            partial(_check_terms, programme, agreement, on),
            partial(_check_opt_outs, programme, agreement, checked),
            partial(_check_key, programme, agreement, keys),
        ):
            with faults.collected(place):
                check()
        cannot = () if not checked.linking.found else ("it cannot be linked",)
        reasons[agreement.recipient] = (*cannot, *faults.messages())
    return Verdict(on, checked, reasons, tuple(left))


def _check_audit_log(programme: Programme, keys: Keys | None) -> None:
    if programme.audit is None:
        if not programme.programme.synthetic:
            raise RefusedError("audit: none is stated, and data of real people are released only if that is logged")
        return
    audit = programme.audit_log(keys if isinstance(keys, Keyring) else None)
    if audit is not None and audit.path.exists():
        audit.lines()


def _check_terms(programme: Programme, agreement: Agreement, on: dt.date) -> None:
    if agreement.terms is not None:
        agreement.terms.refuse_unless_in_force(agreement.recipient, on)
    elif not programme.programme.synthetic:
        raise RefusedError("it states no terms, and data of real people are released only under terms in force")


def _check_opt_outs(programme: Programme, agreement: Agreement, checked: Checked) -> None:
    """Refuse where no list, or not every list that is needed, is stated; a list that cannot be read is told anyway."""
    if programme.opt_outs is not None:
        if checked.sources and not checked.releasing.found:
            policy = programme.opt_outs.policy()
            gp_sources = policy.sources_of_gp_data(checked.sources)
            refuse_missing_lists(programme.opt_out_lists(), policy, agreement.purpose, gp_sources)
    elif not programme.programme.synthetic:
        raise RefusedError("opt_outs: none are stated, and data of real people are released only if they are applied")


def _check_key(programme: Programme, agreement: Agreement, keys: Keys | None) -> None:
    if keys is None:
        return
    if agreement.key not in keys:
        raise RefusedError(f"its key {agreement.key!r} is not among the keys given")
    keys[agreement.key].refuse_if_weak()
    held = {each.recipient: keys[each.key] for each in programme.agreements() if each.key in keys}
    shared = {name: key for name, key in held.items() if key.fingerprint == held[agreement.recipient].fingerprint}
    refuse_shared_keys(shared)
