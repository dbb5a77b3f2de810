"""Steps of encrypted forward: the label holder gets products of the others' embeddings with its weights, and no more.

A party encrypts its embeddings h [n, d] once, under a key of its own. In every exchange the label holder

1. trains the joint model on the products it has, and multiplies h^T, encrypted, by what the model does not explain:
   columns r [n, COLUMNS], zero for patients who stop the training or are held out (:func:`gradient`);
2. gets h^T r, which the party decrypted under the label holder's mask (:func:`open_products`): the gradient, at zero,
   of the weights W of a first layer; takes it, scaled, as columns of W, as partial least squares does (Wold, 1975);
3. gets h W for all n patients in the same way (:func:`forward`): the next COLUMNS values of each patient's block.

The party sees masked numbers; the label holder d values of each gradient, sums over its training patients, and
COLUMNS values of a patient in each exchange, fewer in all than an embedding has (``Disclosure``).

Not for: the arithmetic (``crossward.encryption.forward``).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client_app.vertical import models
from client_app.vertical.actions.alignment import check_same, common_rows
from client_app.vertical.actions.training import BLOCKS
from client_app.vertical.arrays import load, save
from client_app.vertical.errors import PartyError
from client_app.vertical.learning.blocks import Blocks, Part
from client_app.vertical.learning.top import JointModel, TopSettings
from client_app.vertical.owner import Owner
from client_app.vertical.party import Party, Turn
from crossward.encryption.forward.disclosure import Disclosure
from crossward.encryption.forward.fixed_point import FixedPoint
from crossward.encryption.forward.keys import ForwardKey, ForwardPublic
from crossward.encryption.forward.plan import ProductPlan
from crossward.encryption.forward.product import Mask, multiply, open_masked, seal, unmask
from crossward.machine.files import write_atomic
from crossward.protocol.vertical.messages import (
    FORWARD,
    GRADIENT,
    MASKED_GRADIENT,
    MASKED_PRODUCT,
    OPENED_GRADIENT,
    OPENED_PRODUCT,
    SEALED,
)
from crossward.protocol.vertical.program import program

COLUMNS = 2  # products of an exchange: of what is unexplained, and of that times the label holder's own prediction
OPENED_AFTER = {GRADIENT: (MASKED_GRADIENT, OPENED_GRADIENT), FORWARD: (MASKED_PRODUCT, OPENED_PRODUCT)}
"""What a party opens, and what its answer is called, by the label holder's step before."""
Doubles = NDArray[np.float64]


def plan_of(kind: str, clip: float, patients: int, dim: int) -> ProductPlan:
    """The plan of gradients [dim, COLUMNS], or of products [patients, COLUMNS]."""
    embeddings, other = FixedPoint(clip), FixedPoint(1.0)
    rows, inner = (dim, patients) if kind == MASKED_GRADIENT else (patients, dim)
    return ProductPlan(embeddings, other, rows, inner, COLUMNS)


def _plan(party: Party, kind: str) -> ProductPlan:
    settings = party.config.vertical
    return plan_of(kind, settings.clip, len(common_rows(party)), settings.dim)


def represent(party: Party, turn: Turn) -> None:
    """Learn a representation without labels; parties without labels send their embeddings, encrypted."""
    check_same(party, turn)
    own = models.new_bottom(party)
    own.represent(party.config.run.seed)
    models.keep_bottom(party, own, turn.work.step)
    turn.facts["own patients"] = len(own)
    if party.has_outcome:
        return
    key = _own_key(party)
    h = own.embed(common_rows(party)).astype(np.float64)
    sealed = [seal(key.public, _plan(party, MASKED_PRODUCT), h), seal(key.public, _plan(party, MASKED_GRADIENT), h.T)]
    turn.mail.send(turn.holder, SEALED, [key.public.data, *sealed])


def gradient(party: Party, turn: Turn) -> None:
    """The label holder trains on the products that it has and asks for the gradients of its next weights."""
    exchange = turn.work.round
    if exchange == 1:
        _keep_sealed(party, turn)
    else:
        _keep_products(party, turn, exchange - 1)
    rows, parts, labels = common_rows(party), models.parts_of(party), models.outcomes(party)
    blocks = _blocks(party, turn.others, exchange - 1)
    joint = JointModel(models.bottom(party, turn.work.step), blocks.widths, TopSettings(), party.config.run.seed)
    joint.train(blocks, labels, parts, party.config.run.seed + turn.work.step)
    unexplained = np.zeros((len(rows), COLUMNS))
    train = np.isin(rows, parts.train)
    said = joint.predict(blocks, rows[train])
    rest = labels[rows[train]] - said
    unexplained[train] = np.stack([rest, rest * np.clip((said - said.mean()) / (said.std() + 1e-9), -1, 1)], 1)
    for name in turn.others:
        _multiply(party, turn, name, MASKED_GRADIENT, unexplained)
    turn.facts["gradient error"] = _plan(party, MASKED_GRADIENT).error


def open_products(party: Party, turn: Turn) -> None:
    """A party decrypts what the label holder masked in the step before, once, and counts what that discloses."""
    settings = party.config.vertical
    kind, answer = OPENED_AFTER[program(settings, settings.parties)[turn.work.step - 1].action]
    if other := {one.kind for one in turn.work.inbox} - {kind}:
        raise PartyError(
            f"the label holder asks to open {', '.join(sorted(other))} in a step that opens {kind} alone: it would "
            "have more products than this party counts"
        )
    key, spent = _own_key(party), (turn.work.round - 1) * COLUMNS
    Disclosure(settings.dim, spent=spent).after(COLUMNS)
    Disclosure(len(common_rows(party)), spent=spent).after(COLUMNS)  # of the gradients, which are products of h^T
    found = turn.mail.opened(turn.work.inbox, kind, 1)
    if set(found) - {turn.holder}:
        raise PartyError("masked products from a party that has no outcome")
    for pieces in found.values():
        turn.mail.send(turn.holder, answer, [open_masked(key, _plan(party, kind), pieces[0])])


def forward(party: Party, turn: Turn) -> None:
    """The label holder makes weights of the gradients, and asks for the products of the embeddings with them."""
    for name, found in _opened(party, turn, OPENED_GRADIENT, MASKED_GRADIENT).items():
        weights = found / np.maximum(np.linalg.norm(found, axis=0), 1e-12)
        _multiply(party, turn, name, MASKED_PRODUCT, weights)
    turn.facts["product error"] = _plan(party, MASKED_PRODUCT).error


def received(party: Party, turn: Turn) -> Blocks:
    """The blocks to finish the joint model on, with the products of the last exchange."""
    exchanges = party.config.vertical.exchanges
    _keep_products(party, turn, exchanges)
    blocks = _blocks(party, turn.others, exchanges)
    rows = common_rows(party)
    save(party.folder / BLOCKS, {name: part[rows] for name, part in zip(turn.others, blocks.parts, strict=True)})
    return blocks


def _blocks(party: Owner, others: tuple[str, ...], exchanges: int) -> Blocks:
    """The blocks of ``others`` after so many exchanges: COLUMNS values for each; none after none."""
    patients, rows = len(party.data.patients), common_rows(party)
    if not exchanges:
        return Blocks.scatter(patients, [])
    found = [load(_products_path(party, number), "products of embeddings") for number in range(1, exchanges + 1)]
    values = [np.concatenate([products[name] for products in found], 1) for name in others]
    return Blocks.scatter(patients, [Part(rows, one.astype(np.float32)) for one in values])


# ---------------------------------------------------------------------- what is kept between steps


def _own_key(party: Party) -> ForwardKey:
    """The party's key of this lineage, made on first use; its files are readable by this user alone."""
    public, secret = party.folder / "forward.pub", party.folder / "forward.key"
    if not public.exists():
        key = ForwardKey.generate()
        write_atomic(secret, key.secret, private=True)
        write_atomic(public, key.public.data, private=True)
    return ForwardKey(ForwardPublic(public.read_bytes()), secret.read_bytes())


def _sealed_path(party: Party, turn: Turn, name: str, piece: int) -> Path:
    return party.folder / f"sealed-{turn.others.index(name)}-{piece}"


def _keep_sealed(party: Party, turn: Turn) -> None:
    for name, pieces in turn.mail.opened(turn.work.inbox, SEALED, 3).items():
        for number, piece in enumerate(pieces):
            write_atomic(_sealed_path(party, turn, name, number), piece, private=True)


def _multiply(party: Party, turn: Turn, name: str, kind: str, right: Doubles) -> None:
    """Send party ``name`` its encrypted embeddings times ``right``, masked, and keep the mask."""
    piece = 2 if kind == MASKED_GRADIENT else 1
    try:
        public = ForwardPublic(_sealed_path(party, turn, name, 0).read_bytes())
        sealed = _sealed_path(party, turn, name, piece).read_bytes()
    except FileNotFoundError as error:
        raise PartyError(f"{name!r} has sent no encrypted embeddings") from error
    masked, mask = multiply(public, _plan(party, kind), sealed, right)
    write_atomic(_mask_path(party, turn, name, kind), mask.data, private=True)
    turn.mail.send(name, kind, [masked])


def _mask_path(party: Party, turn: Turn, name: str, kind: str) -> Path:
    return party.folder / f"{kind}-{turn.others.index(name)}.mask"


def _opened(party: Party, turn: Turn, answer: str, kind: str) -> dict[str, Doubles]:
    """What parties decrypted, without the masks."""
    out = {}
    for name, pieces in turn.mail.opened(turn.work.inbox, answer, 1).items():
        mask = Mask(_mask_path(party, turn, name, kind).read_bytes())
        out[name] = unmask(_plan(party, kind), mask, pieces[0])
    return out


def _products_path(party: Owner, exchange: int) -> Path:
    return party.folder / f"products-{exchange}.npz"


def _keep_products(party: Party, turn: Turn, exchange: int) -> None:
    """Write the products of an exchange, without their masks.

    Raises
    ------
    PartyError
        a party has not sent them.
    """
    found = _opened(party, turn, OPENED_PRODUCT, MASKED_PRODUCT)
    if missing := sorted(set(turn.others) - set(found)):
        raise PartyError(f"{', '.join(missing)} sent no products of exchange {exchange}")
    save(_products_path(party, exchange), found)
