"""What a person sees in an editor: a real YAML language server reads broken configs with our schema, and says what it marks.

    npm install yaml-language-server
    python benchmarks/language_server.py node_modules/.bin/yaml-language-server

Prints each marked place as line:column, the text that is underlined, and the message. The server is asked over its own
protocol, the way an editor does it (microsoft.github.io/language-server-protocol, version 3.17). n = the configs below.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from trainkit.config.schema import config_schema

HEAD = "# yaml-language-server: $schema=schema.json\ndata: digits\n"
BROKEN = {
    "an unknown key": HEAD + "model:\n  name: mlp\n  dropuot: 0.2\n",
    "a misspelt part": HEAD + "model: {name: mpl, hidden: [32]}\n",
    "a wrong type": HEAD + "model: mlp\ntraining:\n  batch_size: many\n",
    "out of its limits": HEAD + "model: mlp\noptimizer: {name: adamw, lr: -1}\n",
    "a word that is not a choice": HEAD + "model:\n  name: cnn\n  activation: reluu\n",
    "a missing key": "# yaml-language-server: $schema=schema.json\ndata:\n  name: csv\n  path: a.csv\nmodel: mlp\n",
}
SOUND = HEAD + "model: mlp\noptimizer: {lr: '${env:RATE:-0.01}'}\ntraining: {early_stopping: null, evaluate_every: 5}\n"


class Server:
    """A language server as a child process, spoken to over its stdin and stdout."""

    def __init__(self, path: str) -> None:
        self.process = subprocess.Popen([path, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, method: str, parameters: dict[str, Any], number: int | None = None) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": parameters} | ({} if number is None else {"id": number})
        self._write(message)

    def _write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        text = json.dumps(message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(text), text))
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout
        length = 0
        while line := self.process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        if not length:
            raise SystemExit("The server ended.")
        message: dict[str, Any] = json.loads(self.process.stdout.read(length))
        if "id" in message and "method" in message:  # a question of the server's: nothing special here
            items = message.get("params", {}).get("items")
            self._write({"jsonrpc": "2.0", "id": message["id"], "result": [{}] * len(items) if items else None})
        return message

    def begin(self, folder: Path) -> None:
        abilities: dict[str, Any] = {"textDocument": {"publishDiagnostics": {}}}
        self.send("initialize", {"processId": None, "rootUri": folder.as_uri(), "capabilities": abilities}, 1)
        while self.receive().get("id") != 1:
            pass
        self.send("initialized", {})
        settings = {"yaml": {"validate": True, "schemaStore": {"enable": False}}}
        self.send("workspace/didChangeConfiguration", {"settings": settings})

    def marked(self, file: Path) -> list[dict[str, Any]]:
        """What the server says of a file: a range and a message each."""
        document = {"uri": file.as_uri(), "languageId": "yaml", "version": 1, "text": file.read_text()}
        self.send("textDocument/didOpen", {"textDocument": document})
        while True:
            message = self.receive()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == document["uri"]:
                found: list[dict[str, Any]] = message["params"]["diagnostics"]
                return found


def main(path: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "schema.json").write_text(json.dumps(config_schema()))
        server = Server(path)
        server.begin(folder)
        for n, (title, text) in enumerate([*BROKEN.items(), ("a sound one", SOUND)]):
            file = folder / f"{n}.yaml"
            file.write_text(text)
            print(f"{title}:")
            for mark in server.marked(file):
                start, end = mark["range"]["start"], mark["range"]["end"]
                line = text.splitlines()[start["line"]]
                under = line[start["character"] : end["character"] if end["line"] == start["line"] else None]
                print(f"  {start['line'] + 1}:{start['character'] + 1} `{under}` {mark['message']}")
        server.process.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
