"""The page of a vertical run: what it says of whole and of troubled runs, and that words of parties stay words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from crossward.ledger.events import Resumed
from tests.vertical_story import NAMES, score

Story = Callable[..., Any]


def card(page: ElementTree.Element, title: str) -> str:
    """The text of a card."""
    found = [s for s in page.iter("section") if "".join(s.find("h2").itertext()) == title]  # type: ignore[union-attr]
    assert len(found) == 1, title
    return " ".join(" ".join(found[0].itertext()).split())


def figures(page: ElementTree.Element) -> list[str]:
    return [svg.get("aria-label", "") for svg in page.iter("{http://www.w3.org/2000/svg}svg")]


def test_a_whole_run(vertical_story: Story) -> None:
    one = vertical_story()
    one.run()
    text, page = one.page()
    assert "Finished: all steps are done" in text and "<script" not in text and "src=" not in text
    assert (
        "Vertical run: Harbour Heart (notes), Laboratory (labs) and Millbrook (vitals) train one model of Harbour "
        "Heart&#x27;s outcome on patients they have in common; none shows another its data."
    ) in text
    assert figures(page) == ["steps of every party over time", "bytes from party to party"]
    steps = card(page, "Steps")
    assert "each: common patients 980" in steps and "joint model, exchange 2 label holder done" in steps
    assert "Laboratory 1400 980 70 %" in card(page, "Common patients")
    assert "Harbour Heart joint model finished alone auroc 0.79" in card(page, "What joining brought each party")
    assert "Nothing failed, and no party was away." in text
    parties = card(page, "Parties")
    assert "notes, outcome" in parties and "while Millbrook worked" in parties
    assert "<b>0.8413</b>" in text and "on 196 held-out patients" in text  # tiles
    assert f"<b>{len(one.steps)} of {len(one.steps)}</b>" in text and "<b>980</b>" in text


def test_an_evaluated_run_says_what_joining_brought(vertical_story: Story) -> None:
    one = vertical_story()
    one.run()
    one.evaluated(
        score("notes", 0.8), score("labs", 0.7), score("joint", 0.84), score("distilled", 0.8, where="elsewhere")
    )
    _, page = one.page()
    found = card(page, "What joining brought each party")
    assert (
        "Laboratory (labs): its features alone, with the outcomes that it lacks, reach AUROC 0.700" in found
        and "joint held-out common patients 196 0.840" in found
    )
    assert "AUROC and AUPRC by model" in figures(page)
    one.evaluated({"model": "labs"})
    _, page = one.page()
    assert "evaluation.json, row 1: 'where' is missing" in card(page, "What joining brought each party")


def test_bytes_are_by_sender_and_receiver_and_the_aggregator_relays(vertical_story: Story) -> None:
    one = vertical_story()
    one.run()
    _, page = one.page()
    found = card(page, "Who sent how much to whom")
    sent = one.history().sent
    assert "aggregator passes on, opens none" in found
    for (sender, receiver), traffic in sent.items():
        assert f"{sender} to {receiver}: {traffic.bytes // 1000} kB in {traffic.count} envelopes" in found
    assert len(sent) == 4


def test_troubles_are_in_plain_words_with_what_to_do(vertical_story: Story) -> None:
    one = vertical_story()
    one.run(until=8)
    step = one.steps[8]
    for _ in range(2):
        one.fail(
            step,
            "Millbrook",
            one.ask(step, "Millbrook"),
            "refused",
            "<script>alert(1)</script>\u202e at most epsilon 4",
        )
    one.left("Millbrook")
    one.step(step, but=["Millbrook"])
    one.absent(step, "Millbrook", 60.0)
    one.now += 10
    one.start(Resumed, 9)
    text, page = one.page()
    found = card(page, "Failures and absences")
    assert "Millbrook 8, representations improved, exchange 1 refused to do it 2" in found
    assert "change its node config" in found and "disconnected" in found and "vertical.max-wait" in found
    assert "<script" not in text and "\u202e" not in text and "<script>alert(1)</script>" in found
    assert "done, without Millbrook" in card(page, "Steps") and "Unfinished" in text and "resumed" in text


def test_a_run_that_has_just_begun(vertical_story: Story) -> None:
    one = vertical_story()
    one.start()
    text, page = one.page()
    assert "they have not all introduced themselves yet" in text and figures(page) == []
    assert card(page, "Steps").count("to come") == len(one.steps)
    assert "Nothing was sent yet." in text and "The joint model is not finished yet." in text


SEALED = {"vertical.protection": "sealed"}
NOISED = {"vertical.protection": "noised", "vertical.epsilon": 8.0, "vertical.padding": 100}
ENCRYPTED = {"vertical.protection": "encrypted-forward"}


@pytest.mark.parametrize(
    ("config", "says", "not_said"),
    [
        (
            SEALED,
            "Protection “sealed” : Embeddings are sealed to the label holder, which sees them as they are",
            "epsilon",
        ),
        (NOISED, "party spends at most epsilon 8 (delta 1e-05)", "as they are"),
        (NOISED, "random points to multiples of 100", "as they are"),
        (ENCRYPTED, "never an embedding", "as they are"),
        ({"vertical.cardinality-only": True}, "only the number of common patients was found out", "Protection"),
    ],
)
def test_who_could_see_what_follows_from_the_settings(
    vertical_story: Story, config: dict[str, Any], says: str, not_said: str
) -> None:
    one = vertical_story(**config)
    one.run()
    text, page = one.page()
    found = card(page, "Who could see what")
    assert says in found and not_said not in found
    assert "sealed envelopes" in found and "declared patients" in found  # what the aggregator saw
    cardinality = "vertical.cardinality-only" in config
    assert ("find out how many patients they have in common" in text) == cardinality


def test_eight_parties_are_drawn(vertical_story: Story) -> None:
    names = [f"Party {i:02d}" for i in range(8)]
    one = vertical_story(names, ["labs"] * 8)
    one.run()
    _, page = one.page()
    assert all(name in card(page, "Parties") for name in names) and len(figures(page)) == 2


def test_names_are_the_parties_own(vertical_story: Story) -> None:
    one = vertical_story(("<b>x</b>", "A & B", "北の病院"))
    one.run()
    _, page = one.page()
    assert (
        "<b>x</b>" in card(page, "Parties") and "A & B" in card(page, "Parties") and NAMES[0] not in card(page, "Steps")
    )
