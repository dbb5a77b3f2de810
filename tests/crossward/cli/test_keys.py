"""The key command: what it makes, what it says and how it ends, and that no secret shows anywhere on the way."""

import base64
import getpass
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from crossward.cli.app import main as command
from crossward.encryption import key_format
from crossward.encryption.aggregator.ckks import CkksArithmetic
from crossward.encryption.key_file import load_key

ROOT = Path(__file__).parents[3]
PASSPHRASE = "correct horse battery"


@pytest.fixture(autouse=True)
def quick_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_format, "SCRYPT_N", 1 << 10)


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.touch(0o600)
    path.write_text(PASSPHRASE + "\n")
    return path


def secrets_of(path: Path, passphrase: bytes | None = None) -> list[str]:
    """Every way in which what is secret in ``path`` could be told."""
    found = [PASSPHRASE]
    key = load_key(path, passphrase)
    for data in [*(secret.master for secret in key.secrets), *([key.ckks[300:400]] if key.ckks else [])]:
        found += [data.hex(), base64.b64encode(data).decode().rstrip("=")[:32], repr(data)[2:-1], str(list(data))[1:-1]]
    return found


def main(arguments: list[str]) -> int:
    return command(["keys", *arguments])


def run(*arguments: object, code: str = "", stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, without a terminal."""
    command = [sys.executable, *(["-c", code] if code else ["-m", "crossward", "keys"]), *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=300, start_new_session=True
    )


# ---------------------------------------------------------------------- as a process


def test_create_show_and_rotate_tell_fingerprints_and_nothing_secret(tmp_path: Path) -> None:
    path = tmp_path / "the.key"
    made = run("create", path, "--ckks")
    first = load_key(path)
    secret = secrets_of(path)
    assert path.stat().st_mode & 0o777 == 0o600
    rotated = run("rotate", path)
    second = load_key(path)
    shown = run("show", path)
    secret += secrets_of(path)
    for process in (made, rotated, shown):
        assert process.returncode == 0, process.stderr
        assert not [text for text in secret if text in process.stdout + process.stderr]
    assert shown.stdout.splitlines() == [
        f"current     {second.fingerprint}",
        f"previous    {first.fingerprint}",
        "passphrase  no",
        "mode        0600",
        "ckks        yes",
    ]
    assert rotated.stdout == shown.stdout and shown.stderr == ""
    assert "to every hospital by a secure channel" in made.stderr and "Never give it to the aggregator" in made.stderr
    assert first.fingerprint in made.stderr and "--public-context OUT" in made.stderr
    assert f'encryption.key="{second.fingerprint}"' in rotated.stderr


def test_neither_command_line_nor_environment_holds_a_secret(tmp_path: Path, passphrase_file: Path) -> None:
    path = tmp_path / "the.key"
    code = (
        "import sys; from pathlib import Path; from crossward.encryption import key_format\n"
        "from crossward.cli.app import main\n"
        "key_format.SCRYPT_N = 1024; code = main(['keys', *sys.argv[1:]])\n"
        "for name in ('cmdline', 'environ'): sys.stdout.buffer.write(Path('/proc/self', name).read_bytes())\n"
        "sys.exit(code)\n"
    )
    process = run("create", path, "--passphrase-file", passphrase_file, code=code)
    assert process.returncode == 0, process.stderr
    assert str(passphrase_file) in process.stdout  # the command line was looked at
    assert not [text for text in secrets_of(path, PASSPHRASE.encode()) if text in process.stdout + process.stderr]


def test_without_a_terminal_no_passphrase_is_asked_for(tmp_path: Path) -> None:
    process = run("create", tmp_path / "the.key", "--passphrase", stdin=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    assert (process.returncode, process.stdout) == (1, "")
    assert "no terminal to read the passphrase from: use --passphrase-file" in process.stderr
    assert PASSPHRASE not in process.stderr and not (tmp_path / "the.key").exists()


# ---------------------------------------------------------------------- exit codes and messages


@pytest.mark.parametrize(
    "arguments",
    [[], ["create"], ["list", "x"], ["show", "x", "--ckks"], ["create", "x", "--passphrase", "--passphrase-file", "y"]],
)
def test_a_wrong_command_line_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.err.startswith("crossward keys") if arguments else "Usage: crossward keys" in output.out


def test_a_file_that_cannot_be_used_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "the.key"
    assert main(["show", str(path)]) == 1
    assert main(["create", str(path)]) == 0
    before = path.read_bytes()
    capsys.readouterr()
    assert main(["create", str(path)]) == 1
    assert path.read_bytes() == before
    path.chmod(0o644)
    assert main(["show", str(path)]) == main(["rotate", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and all(err.count(f"crossward keys {name}: ") == 1 for name in ("create", "show", "rotate"))
    assert "left unchanged" in err and err.count("chmod 600") == 2 and "Traceback" not in err
    assert path.read_bytes() == before


# ---------------------------------------------------------------------- passphrases


def asked(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """What the terminal answers; returns the answers not yet given."""
    left = list(answers)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: left.pop(0))
    return left


def test_a_passphrase_is_asked_for_twice_and_then_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "the.key"
    left = asked(monkeypatch, PASSPHRASE, PASSPHRASE, PASSPHRASE)
    assert main(["create", str(path), "--passphrase"]) == 0
    first = load_key(path, PASSPHRASE.encode())
    assert len(left) == 1
    assert main(["rotate", str(path), "--passphrase"]) == 0
    assert load_key(path, PASSPHRASE.encode()).previous == (first.current,)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([PASSPHRASE, PASSPHRASE + "s"], "the two passphrases differ"),
        (["short"] * 2, "fewer than 12 characters"),
        ([""] * 2, "a passphrase of one line"),
    ],
)
def test_a_passphrase_that_will_not_do_makes_nothing(
    answers: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked(monkeypatch, *answers)
    assert main(["create", str(tmp_path / "the.key"), "--passphrase"]) == 1
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_that_would_show_the_passphrase_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def showing(prompt: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        return PASSPHRASE

    monkeypatch.setattr(getpass, "getpass", showing)
    assert main(["create", str(tmp_path / "the.key"), "--passphrase"]) == 1
    assert "no terminal" in capsys.readouterr().err


def test_a_passphrase_file_opens_what_it_closed(
    tmp_path: Path, passphrase_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "the.key"
    given = ["--passphrase-file", str(passphrase_file)]
    assert main(["create", str(path), *given]) == main(["show", str(path)]) == 0
    assert capsys.readouterr().out.count("passphrase  yes") == 2
    assert main(["rotate", str(path)]) == 1
    assert "protected by a passphrase" in capsys.readouterr().err
    assert main(["rotate", str(path), "--forget", *given]) == 0
    assert load_key(path, PASSPHRASE.encode()).previous == ()
    passphrase_file.chmod(0o640)
    assert main(["rotate", str(path), *given]) == 1
    assert "can be read or written by others" in capsys.readouterr().err


# ---------------------------------------------------------------------- the public context


def test_the_aggregator_gets_a_context_that_holds_no_secret(
    tmp_path: Path, passphrase_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, public = tmp_path / "the.key", tmp_path / "public"
    given = ["--passphrase-file", str(passphrase_file)]
    assert main(["create", str(path), "--ckks", *given]) == 0
    assert main(["show", str(path), "--public-context", str(public)]) == 1  # the context is wrapped too
    assert not public.exists()
    assert main(["show", str(path), "--public-context", str(public), *given]) == 0
    CkksArithmetic(public.read_bytes())  # which refuses a key
    before = path.read_bytes()
    assert main(["show", str(path), "--public-context", str(path), *given]) == 1
    assert path.read_bytes() == before
    assert "left unchanged" in capsys.readouterr().err


def test_the_key_file_is_all_that_a_key_needs(tmp_path: Path) -> None:
    """Two hospitals with a copy each hold the same key, whatever the file is called."""
    assert main(["create", str(tmp_path / "the.key")]) == 0
    copy = tmp_path / "copy.key"
    copy.touch(0o600)
    copy.write_bytes((tmp_path / "the.key").read_bytes())
    assert load_key(copy) == load_key(tmp_path / "the.key")
