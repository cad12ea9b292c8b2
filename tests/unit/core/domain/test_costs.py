"""Money: amounts, sums, currencies, and the rules of budgets."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photochanger.core.domain.costs.budgets import Budget, BudgetStatus, day_of, reserve
from photochanger.core.domain.costs.call_cost import FREE, CallCost
from photochanger.core.domain.costs.currency import Currency, is_currency_code, micros_of, shown_amount
from photochanger.core.domain.costs.ledger import CostSum, may_cost, sum_of

START, END = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC)


def budget(usd_micros: int) -> Budget:
    return Budget(slot_id=None, usd_micros=usd_micros, start=START, end=END)


@given(st.integers(0, 10**15))
def test_an_amount_is_shown_as_it_was_given(micros: int) -> None:
    assert micros_of(shown_amount(micros)) == micros


def test_a_budget_in_another_currency_is_rounded_down() -> None:
    assert Currency("EUR", micros_of(0.92)).to_usd_micros(micros_of(10)) == 10_869_565
    assert Currency("USD").to_usd_micros(micros_of(10)) == 10_000_000
    assert Currency("JPY", micros_of(155.5)).amount(33_600) == Decimal("5.2248")


@pytest.mark.parametrize("text", ["", "usd", "US", "USDT", "USD\n", "ÜSD", "123"])
def test_other_texts_are_no_currency(text: str) -> None:
    assert not is_currency_code(text)


def test_a_sum_is_exact_only_if_nothing_in_it_is_estimated_unknown_or_unpriced() -> None:
    assert CostSum(usd_micros=5, calls=1).exact
    assert not CostSum(usd_micros=5, estimated_usd_micros=1, calls=1).exact
    assert not CostSum(unpriced_calls=1, calls=1).exact
    assert sum_of([CostSum(usd_micros=5, calls=1), CostSum(unpriced_calls=1, calls=1)]) == CostSum(
        usd_micros=5, calls=2, unpriced_calls=1
    )


def test_only_calls_that_are_known_to_be_free_stay_out_of_the_ledger() -> None:
    assert not may_cost(FREE)
    assert may_cost(None)
    assert may_cost(CallCost(usd_micros=1))


def test_a_budget_holds_what_fits_to_the_last_millionth() -> None:
    assert reserve(10, [(budget(30), 20)]).granted
    assert reserve(11, [(budget(30), 20)]).refused_by == budget(30)
    assert reserve(None, [(budget(30), 29)]).granted
    assert reserve(None, [(budget(30), 30)]).refused_by == budget(30)
    assert reserve(0, [(budget(0), 0)]).granted


def test_all_budgets_must_have_room() -> None:
    assert reserve(10, [(budget(100), 0), (budget(5), 0)]).refused_by == budget(5)


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 300))
def test_one_call_at_most_is_the_one_that_reaches_eighty_percent(prices: list[int], limit: int) -> None:
    spent, reached = 0, 0
    for price in prices:
        answer = reserve(price, [(budget(limit), spent)])
        if answer.granted:
            spent += price
            reached += len(answer.reached)
    assert spent <= limit
    assert reached == (100 * spent >= 80 * limit)


def test_a_day_of_a_zone_may_have_23_hours() -> None:
    day = day_of(datetime(2026, 3, 29, 12, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
    assert day.start == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert day.end == datetime(2026, 3, 29, 22, tzinfo=UTC)


def test_a_budget_of_nothing_is_used_up() -> None:
    assert BudgetStatus(budget(0), 0).percent == 100
    assert BudgetStatus(budget(200), 159).percent == 79
