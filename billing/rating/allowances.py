"""Allowances: units that need not be paid for, each used up in a fixed order, and what is left of them afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from billing.rating.card import Card
from billing.rating.kinds import Credits
from billing.rating.lines import Draw
from billing.rating.numbers import plain, text_of
from billing.rating.terms import Grant, Pool, Terms
from billing.rating.working import OWN, AnyWorking, Source, included

_NONE = Decimal(0)


@dataclass(slots=True)
class Allowances:
    """What is left of the pools and of the grants in credits while cards are worked out one after the other.

    A card uses its own allowance, then its pool's, then grants in their order. `carried` is what the next period gets.
    """

    terms: Terms
    pools: Mapping[str, Pool]
    left: dict[str, Fraction]
    carried: dict[str, Decimal] = field(default_factory=dict)
    draws: list[Draw] = field(default_factory=list)

    @classmethod
    def of(cls, terms: Terms) -> "Allowances":
        """Return the allowances of a period before anything was used."""
        if not (terms.pools or terms.promotions):
            return cls(terms, {}, {})
        pools = {key: pool for pool in terms.pools for key in pool.cards}
        left = {_pool_key(pool): Fraction(_granted(terms, pool)) for pool in terms.pools}
        left |= {_grant_key(grant): Fraction(grant.remaining) for grant in terms.promotions}
        carried = {pool.key: min(pool.rollover, _granted(terms, pool)) for pool in terms.pools if pool.rollover}
        return cls(terms, pools, left, carried)

    def order(self) -> Sequence[Card]:
        """Return the cards in the order in which they use up what they share: that of each pool, then the others."""
        if not self.pools:
            return self.terms.cards
        ranks = {key: rank for rank, key in enumerate(self.pools)}
        return sorted(self.terms.cards, key=lambda card: ranks.get(card.key, len(ranks)))

    def sources(self, card: Card) -> list[Source]:
        """Return what a card may take from now."""
        rolled = self.terms.rollover.get(card.key, _NONE)
        found = [included(allowance=card.allowance, rolled=rolled)] if card.allowance or rolled else []
        if pool := self.pools.get(card.key):
            left = self.left[_pool_key(pool)]
            found.append(Source(_pool_key(pool), f"{text_of(left)} left in {pool.name}", left))
        if isinstance(card.price, Credits):
            grants = (grant for grant in self.terms.promotions if _suits(grant, card, card.price.currency))
            found += [self._source(grant) for grant in grants]
        return found

    def take(self, card: Card, work: AnyWorking) -> None:
        """Take down what a card has used."""
        if not (card.rollover or self.pools or self.terms.promotions):
            return
        taken = {key: Fraction(amount) for key, amount in work.taken.items()}
        if card.rollover:
            unused = Fraction(card.allowance + self.terms.rollover.get(card.key, _NONE)) - taken.get(OWN, 0)
            self.carried[card.key] = plain(min(Fraction(card.rollover), unused))
        if pool := self.pools.get(card.key):
            left = self.left[_pool_key(pool)] = self.left[_pool_key(pool)] - taken[_pool_key(pool)]
            if pool.rollover:
                self.carried[pool.key] = plain(min(Fraction(pool.rollover), left))
        for grant in self.terms.promotions:
            if used := taken.get(_grant_key(grant)):
                self._draw(grant, card, used)

    def _draw(self, grant: Grant, card: Card, used: Fraction) -> None:
        """Take down a draw: what is left before less what is left after, so that rounded draws never exceed a grant."""
        before = self.left[_grant_key(grant)]
        after = self.left[_grant_key(grant)] = before - used
        if quantity := plain(before) - plain(after):
            self.draws.append(Draw(grant.key, card.key, quantity, grant.unit))

    def _source(self, grant: Grant) -> Source:
        left = self.left[_grant_key(grant)]
        return Source(_grant_key(grant), f"{text_of(left)} left of {grant.name}", left)


def _granted(terms: Terms, pool: Pool) -> Decimal:
    return pool.allowance + terms.rollover.get(pool.key, _NONE)


def _pool_key(pool: Pool) -> str:
    return f"pool {pool.key}"


def _grant_key(grant: Grant) -> str:
    return f"grant {grant.key}"


def _suits(grant: Grant, card: Card, currency: str) -> bool:
    return grant.unit == currency and (not grant.cards or card.key in grant.cards)
