"""A slow and obvious linker by NHS Number that heeds clerks' decisions; it takes one of each at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Name = tuple[str, str]


@dataclass(frozen=True)
class Said:
    """One decision; ``when`` is the hour."""

    record: Name
    person: Name
    decision: str
    who: str
    when: int


@dataclass
class Believed:
    """What decisions say together: the state of each, who is one person (sets of names), and which sets are apart."""

    states: list[str]
    clusters: list[set[Name]] = field(default_factory=list)
    apart: list[tuple[set[Name], set[Name]]] = field(default_factory=list)

    def cluster(self, name: Name) -> set[Name]:
        return next(cluster for cluster in self.clusters if name in cluster)


def _joined(pairs: Sequence[tuple[Name, Name]], names: set[Name]) -> list[set[Name]]:
    clusters = [{name} for name in sorted(names)]
    for a, b in pairs:
        one, other = (next(each for each in clusters if name in each) for name in (a, b))
        if one is not other:
            one |= other
            clusters = [each for each in clusters if each is not other]
    return clusters


def believe(said: Sequence[Said]) -> Believed:
    """Find which decisions stand."""
    states = ["" for _ in said]
    last: dict[tuple[frozenset[Name], str], int] = {}
    for index in sorted(range(len(said)), key=lambda index: (said[index].when, index)):
        each = said[index]
        before = last.get((frozenset((each.record, each.person)), each.who))
        if before is not None:
            states[before] = "replaced"
        last[frozenset((each.record, each.person)), each.who] = index
    for (pair, _), index in last.items():
        others = {said[other].decision for (their, _), other in last.items() if their == pair} - {"undecided"}
        if said[index].decision == "undecided":
            states[index] = "taken back"
        elif len(others) > 1:
            states[index] = "disagreement"
    left = [index for index, state in enumerate(states) if not state]
    names = {name for index in left for name in (said[index].record, said[index].person)}
    pairs = [(said[index].record, said[index].person) for index in left if said[index].decision == "same"]
    for cluster in _joined(pairs, names):
        within = [index for index in left if {said[index].record, said[index].person} <= cluster]
        wrong = any(said[index].decision == "not the same" for index in within)
        for index in within:
            states[index] = "contradiction" if wrong else "stands"
    for index in left:
        states[index] = states[index] or "stands"
    stands = [each for each, state in zip(said, states, strict=True) if state == "stands"]
    names = {name for each in stands for name in (each.record, each.person)}
    clusters = _joined([(each.record, each.person) for each in stands if each.decision == "same"], names)
    believed = Believed(states, clusters)
    for each in stands:
        if each.decision == "not the same":
            believed.apart.append((believed.cluster(each.record), believed.cluster(each.person)))
    return believed


def partition(records: Mapping[Name, str | None], spine: str | None, said: Sequence[Said]) -> set[frozenset[Name]]:
    """Link records, given with their numbers, and return which of them are of one person, without a fallback.

    Of all the sets that decisions put together, those that hold the defining record of a person win.
    """
    believed = believe(said)
    definer: dict[str, Name] = {}
    for name, number in sorted(records.items(), key=lambda item: (item[0][0] != spine, item[0])):
        if number is not None:
            definer.setdefault(number, name)
    person: dict[Name, Name | None] = {}
    for name, number in records.items():
        person[name] = definer[number] if number is not None else name if name[0] == spine else None

    def rank(name: Name) -> tuple[bool, bool, Name]:
        return (records[name] is None, name[0] != spine, name)

    for cluster in believed.clusters:
        defining = sorted((name for name in cluster if person.get(name) == name), key=rank)
        for name in defining[1:]:
            person = {each: defining[0] if of == name else of for each, of in person.items()}
    target = _targets(person, spine, said, believed)
    for index, cluster in enumerate(believed.clusters):
        there = sorted(name for name in cluster if name in records)
        for name in there:
            person[name] = target[index] or there[0]
    found: dict[Name, set[Name]] = {}
    for name, of in person.items():
        found.setdefault(of or name, set()).add(name)
    return {frozenset(each) for each in found.values()}


def _targets(
    person: Mapping[Name, Name | None], spine: str | None, said: Sequence[Said], believed: Believed
) -> list[Name | None]:
    """Choose the person of each set, by its defining record; none for a set that must stay open."""
    named = {
        each.person
        for each, state in zip(said, believed.states, strict=True)
        if state == "stands" and each.decision == "same"
    }
    target: list[Name | None] = []
    for cluster in believed.clusters:
        others = [
            theirs for one, other in believed.apart for mine, theirs in ((one, other), (other, one)) if mine is cluster
        ]
        banned = {name for theirs in others for name in theirs if person.get(name) == name}
        possible = [
            (of != name, name not in named, of[0] != spine, of)
            for name in cluster
            if (of := person.get(name)) is not None and of not in banned
        ]
        target.append(min(possible)[-1] if possible else None)
    chosen = list(target)
    for one, other in _last_of_each_two(said, believed):
        mine, theirs = (next(i for i, each in enumerate(believed.clusters) if each is side) for side in (one, other))
        if chosen[mine] is not None and chosen[mine] == chosen[theirs]:
            target[mine] = None
    return target


def _last_of_each_two(said: Sequence[Said], believed: Believed) -> list[tuple[set[Name], set[Name]]]:
    """Return the sets that are apart, each two once; the side of the record is that of the last decision."""
    last: dict[frozenset[int], tuple[set[Name], set[Name]]] = {}
    order = sorted(range(len(said)), key=lambda index: (said[index].when, index))
    for index in order:
        each = said[index]
        if believed.states[index] == "stands" and each.decision == "not the same":
            one, other = believed.cluster(each.record), believed.cluster(each.person)
            last[frozenset((id(one), id(other)))] = (one, other)
    return list(last.values())
