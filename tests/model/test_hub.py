"""The Hub, as a local server plays it: what is fetched, and what is said when it cannot be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading

import pytest

from tests.families import save_family
from tests.model.hub_server import COMMIT, TOKEN, HubServer

# huggingface_hub reads its address once, when it is imported: so every case is asked in one process apart.
PROGRAM = """
import json, os, sys
from gemma_poetry.errors import GemmaPoetryError
from gemma_poetry.model.loading import load_model, load_tokenizer
answers = {}
def ask(name, spec, call=load_model, token=None, cache=None, **options):
    os.environ.pop("HF_TOKEN", None)
    if token:
        os.environ["HF_TOKEN"] = token
    try:
        loaded = call(spec, **options)
        answers[name] = {"loaded": True}
        if call is load_model:
            answers[name] |= {"revision": loaded.revision, "name_or_path": loaded.model.name_or_path, "base": loaded.base}
    except GemmaPoetryError as error:
        answers[name] = {"kind": type(error).__name__, "found": error.found, "action": error.action, "where": error.where}
ask("tokenizer alone", "owner/whole", load_tokenizer)
ask("whole", "owner/whole", device="cpu")
ask("gated, no token", "owner/gated")
ask("gated, other token", "owner/gated", token="hf_other")
ask("gated, accepted", "owner/gated", token=sys.argv[2], device="cpu")
ask("missing", "owner/nothing")
ask("shard", "owner/shard")
ask("pickled", "owner/pickled")
ask("remote code", "owner/remote")
ask("other family", "owner/llama", device="cpu")
import time, urllib.request
urllib.request.urlopen(os.environ["HF_ENDPOINT"] + "/stop")
time.sleep(1.5)
ask("network gone, cached", "owner/whole", device="cpu")
ask("network gone", "owner/elsewhere")
json.dump(answers, open(sys.argv[1], "w"))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    place = tmp_path_factory.mktemp("hub")
    root = place / "repositories"
    whole = save_family(root / "owner" / "whole", "gemma3_text", instruction_tuned=True)
    for name in ("gated", "shard", "pickled", "remote", "llama", "elsewhere"):
        shutil.copytree(whole, root / "owner" / name)
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (root / "owner/shard/model.safetensors.index.json").write_text(json.dumps(index))
    (root / "owner/pickled/model.safetensors").rename(root / "owner/pickled/pytorch_model.bin")
    for name, change in [("remote", {"auto_map": {"AutoModel": "evil.Model"}}), ("llama", {"model_type": "llama"})]:
        config = root / "owner" / name / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | change))
    server = HubServer(root, gated={"owner/gated"})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {
        "HF_ENDPOINT": server.address, "HF_HOME": str(place / "home"), "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "5", "HF_HUB_ETAG_TIMEOUT": "5", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    told = place / "answers.json"
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(told), TOKEN], env=environment, capture_output=True, text=True
    )
    server.server_close()
    assert finished.returncode == 0, finished.stderr[-3000:]
    return {"address": server.address} | json.loads(told.read_text())


@pytest.mark.parametrize("case", ["whole", "gated, accepted", "network gone, cached"])
def test_a_repository_loads_as_a_folder_does(answers, case):
    spec = "owner/gated" if "gated" in case else "owner/whole"
    assert answers[case] == {"loaded": True, "revision": COMMIT, "name_or_path": spec, "base": spec}
    assert answers["tokenizer alone"] == {"loaded": True}


@pytest.mark.parametrize(
    ("case", "kind", "found", "action"),
    [
        ("gated, no token", "ModelAccessError", "gated, and no token is set", "set HF_TOKEN to a read token"),
        ("gated, other token", "ModelAccessError", "the account of the token in use may not read it", "accept the terms at"),
        ("missing", "ModelAccessError", "is not on the Hub, or is private", "check the spelling"),
        ("network gone", "ModelAccessError", "cannot be reached, and is not complete in the cache", "name its folder"),
        ("shard", "IncompleteModelError", "1 of 2 shards are missing", "download the checkpoint again"),
        ("pickled", "UnsafeModelError", "the weights are pickled (pytorch_model.bin)", "safetensors"),
        ("remote code", "UnsafeModelError", "code from its repository (auto_map)", "original Gemma checkpoint"),
        ("other family", "NotAGemmaError", "the model is of type 'llama'", "name a Gemma checkpoint"),
    ],
)
def test_what_cannot_be_had_is_refused_with_what_to_do(answers, case, kind, found, action):
    answer = answers[case]
    assert answer["kind"] == kind and found in answer["found"] and action in answer["action"]


def test_the_page_with_the_terms_is_named(answers):
    for case in ("gated, no token", "gated, other token"):
        assert f"{answers['address']}/owner/gated" in answers[case]["action"]
