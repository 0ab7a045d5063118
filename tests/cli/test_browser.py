"""onnxmint page: a page is written once, and never over what is there."""

from pathlib import Path

from tests.cli.conftest import Run


def test_the_command_writes_a_page_and_no_second_one_over_it(call: Run, phi_file: Path, tmp_path: Path) -> None:
    page = tmp_path / "audit.html"
    code, out, _ = call("page", str(phi_file), "-o", str(page))
    assert code == 0
    assert "holds the auditor with SHA-256" in out
    assert page.stat().st_size > 1_000_000
    code, _, err = call("page", str(phi_file), "-o", str(page))
    assert code != 0
    assert "exists already" in err
