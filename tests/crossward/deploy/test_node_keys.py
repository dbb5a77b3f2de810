"""SuperNode keys: what Flower itself reads, and what is refused before Flower sees it."""

from __future__ import annotations

import stat
import warnings
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from crossward.deploy.errors import DeployError
from crossward.deploy.node_keys import load_node_key, make_node_key, public_text


def test_flower_reads_what_was_made(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from flwr.supercore.primitives.asymmetric import public_key_to_bytes, sign_message, verify_signature
    make_node_key(tmp_path)
    key = load_node_key(tmp_path / "node.key")
    public = serialization.load_ssh_public_key((tmp_path / "node.pub").read_bytes())
    assert isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name == "secp384r1"
    assert public_key_to_bytes(public) == public_key_to_bytes(key.public_key())
    assert verify_signature(public, b"a time", sign_message(key, b"a time"))
    assert stat.S_IMODE((tmp_path / "node.key").stat().st_mode) == 0o600


def test_two_keys_differ_and_none_is_overwritten(tmp_path: Path) -> None:
    make_node_key(tmp_path / "a")
    make_node_key(tmp_path / "b")
    assert public_text(tmp_path / "a" / "node.pub") != public_text(tmp_path / "b" / "node.pub")
    with pytest.raises(DeployError, match="already exists and is not overwritten"):
        make_node_key(tmp_path / "a")


def test_a_comment_makes_no_other_member(tmp_path: Path) -> None:
    make_node_key(tmp_path)
    text = (tmp_path / "node.pub").read_text().strip()
    (tmp_path / "commented.pub").write_text(f"{text} it@hospital\n")
    assert public_text(tmp_path / "commented.pub") == public_text(tmp_path / "node.pub") == text


@pytest.mark.parametrize("content", [b"", b"ssh-ed25519", b"\xff\xfe", b"ecdsa-sha2-nistp384 AAAA"])
def test_rubbish_is_no_public_key(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pub").write_bytes(content)
    with pytest.raises(DeployError, match=r"x\.pub holds no OpenSSH public key"):
        public_text(tmp_path / "x.pub")


def test_other_keys_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="is missing"):
        load_node_key(tmp_path / "node.key")
    path = tmp_path / "ed.key"
    path.write_bytes(
        ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
    )
    path.chmod(0o600)
    with pytest.raises(DeployError, match=r"another kind of key than ECDSA: `crossward deploy node-key` makes one"):
        load_node_key(path)
    path.write_text("rubbish")
    with pytest.raises(DeployError, match="holds no OpenSSH private key"):
        load_node_key(path)
    path.chmod(0o640)
    with pytest.raises(DeployError, match="can be read by others: chmod 600"):
        load_node_key(path)
