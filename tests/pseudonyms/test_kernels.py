"""The compiled kernel: in new, forked and spawned processes, on older processors, and in Numba's cache on disk."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import linkcore
from linkcore.keys.key import midstates
from linkcore.keys.secret import Secret
from linkcore.keys.sha256 import ROUND_CONSTANTS
from tests.pseudonyms.reference import pseudonym

MATERIAL = hashlib.sha384(b"a key of the tests").digest()[:40]

# The beginning of each program below. A failed assertion in a program fails the test.
BEGIN = """
import hashlib, hmac, os, sys
import polars as pl
from linkcore.keys.key import Key
from linkcore.pseudonyms.pseudonymise import pseudonymise

material = hashlib.sha384(b"a key of the tests").digest()[:40]
key = Key.from_bytes("k", material)
texts = [str(9_000_000_000 + row) for row in range(int(sys.argv[1]))] + ["", None, "x" * 40, "x" * 400]
series = pl.Series("n", texts)
expected = [None if text is None else hmac.digest(material, text.encode(), "sha256").hex()[:32] for text in texts]
"""


def run(program: str, folder: Path, *, rows: int = 100, **environment: str) -> str:
    script = folder / "program.py"
    script.write_text(BEGIN + program)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:This process:DeprecationWarning", str(script), str(rows)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _host_features() -> dict[str, bool]:
    import llvmlite.binding

    return dict(llvmlite.binding.get_host_cpu_features())


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the kernel that a process compiled and used with keys."""
    folder = tmp_path_factory.mktemp("cache")
    run(
        "assert pseudonymise(series, key, key).null_count() == 1\n"
        "assert pseudonymise(series, key).to_list() == expected",
        folder,
        NUMBA_CACHE_DIR=str(folder),
    )
    return folder


def test_the_kernel_on_disk_holds_no_key_and_no_midstate(cache: Path) -> None:
    files = [path.read_bytes() for path in cache.rglob("*.nb?")]
    words = midstates(Secret(MATERIAL)).reveal()
    blocks = [bytes(byte ^ pad for byte in MATERIAL) for pad in (0x36, 0x5C)]
    traces = [MATERIAL[:8], MATERIAL[-8:], MATERIAL.hex()[:16].encode(), *(block[:8] for block in blocks)]
    traces += [word.to_bytes(4, order) for word in words for order in ("little", "big")]
    traces += [str(word).encode() for word in words]
    assert not [trace for trace in traces if any(trace in file for file in files)]
    # The same search finds a constant that is certainly there.
    assert any(ROUND_CONSTANTS[20].to_bytes(4, "little") in file for file in files)


def test_a_new_process_loads_the_kernel_and_compiles_none(cache: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb?")}
    run(
        "assert pseudonymise(series, key).to_list() == expected\n"
        "from linkcore.pseudonyms.kernels import hash_rows\n"
        "assert sum(hash_rows.stats.cache_hits.values()) == 1 and not hash_rows.stats.cache_misses",
        cache,
        NUMBA_CACHE_DIR=str(cache),
    )
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb?")} == before


def test_one_compilation_serves_every_column() -> None:
    import polars as pl

    from linkcore.keys.key import Key
    from linkcore.pseudonyms.columns import lanes_of_host
    from linkcore.pseudonyms.kernels import hash_rows
    from linkcore.pseudonyms.pseudonymise import pseudonymise

    key = Key.generate("k")
    for series in (pl.Series(["a", None, "b" * 20]), pl.Series([1, 2]), pl.Series(["a"] * 50)[3:]):
        pseudonymise(series, key)
        pseudonymise(series, key, key, output="binary", length=64)
    lanes = lanes_of_host()
    assert len([signature for signature in hash_rows.signatures if len(signature[0]) == len(lanes)]) == 1  # type: ignore[attr-defined]


def test_the_first_use_by_many_threads_at_once_is_right(cache: Path) -> None:
    run(
        """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

barrier = Barrier(4)

def task(number):
    barrier.wait()
    return pseudonymise(series, key).to_list() == expected

with ThreadPoolExecutor(4) as pool:
    assert all(pool.map(task, range(4)))
""",
        cache,
        rows=250_000,  # enough for several threads
        NUMBA_CACHE_DIR=str(cache),
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("used_before", [True, False])
def test_a_forked_process_hashes_right(cache: Path, used_before: bool) -> None:
    run(
        f"""
if {used_before}:
    assert pseudonymise(series, key).to_list() == expected
children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        os._exit(0 if pseudonymise(series, key).to_list() == expected else 9)
    children.append(child)
assert pseudonymise(series, key).to_list() == expected
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
""",
        cache,
        rows=250_000,
        NUMBA_CACHE_DIR=str(cache),
    )


def test_spawned_processes_hash_right(cache: Path) -> None:
    run(
        """
import multiprocessing

def task(part):
    return pseudonymise(pl.Series(part), Key.from_bytes("k", material)).to_list()

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(task, [texts[:50], texts[50:]]) == [expected[:50], expected[50:]]
""",
        cache,
        NUMBA_CACHE_DIR=str(cache),
    )


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="processors of another kind")
@pytest.mark.parametrize(
    ("processor", "features", "lanes"),
    [("x86-64", "", 4), ("haswell", "+avx2", 8), ("x86-64", "+sha", "sha"), ("x86-64-v3", "+avx2,+sha", "sha")],
)
def test_other_processors_give_the_same_answers_and_never_take_each_others_kernel(
    processor: str, features: str, lanes: int | str, shared_cache: Path
) -> None:
    missing = (
        {name[1:] for name in features.split(",")} - {name for name, has in _host_features().items() if has} - {""}
    )
    if missing:
        pytest.skip(f"this processor has no {missing}")
    out = run(
        """
import pyarrow as pa
from linkcore.pseudonyms.columns import hash_array, lanes_of_host
from linkcore.pseudonyms.kernels import hash_rows
texts = ["x" * length for length in range(200)] + [None]
print("sha" if any(lanes_of_host()) else len(lanes_of_host()))
print(hash_array(pa.array(texts, pa.string_view()), [key._midstates] * 2).to_pylist())
assert not hash_rows.stats.cache_hits and len(hash_rows.stats.cache_misses) == 1
""",
        shared_cache,
        NUMBA_CACHE_DIR=str(shared_cache),
        NUMBA_CPU_NAME=processor,
        NUMBA_CPU_FEATURES=features,
    )
    expected = [*(pseudonym("x" * length, MATERIAL, MATERIAL) for length in range(200)), None]
    assert out.splitlines() == [str(lanes), str(expected)]


def test_aarch64_hashes_by_its_own_instructions() -> None:
    """LLVM selects those for the rounds and for the schedule: 16 and 12 of each kind for each of four messages."""
    import llvmlite.binding
    from llvmlite import ir

    from linkcore.pseudonyms import kernels

    llvmlite.binding.initialize_all_targets()
    llvmlite.binding.initialize_all_asmprinters()
    module = ir.Module()
    module.triple = "aarch64-unknown-linux-gnu"
    address = ir.IntType(64)
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [address] * 3), "compress")
    v = kernels._Vectors(ir.IRBuilder(function.append_basic_block()), 4, sha=True)
    state, block, after = function.args
    v.store(kernels._compress(v, v.load(state, 8), v.load(block, 16)), after)
    v.builder.ret_void()
    target = llvmlite.binding.Target.from_triple(module.triple).create_target_machine(features="+neon,+sha2")
    assembly = target.emit_assembly(llvmlite.binding.parse_assembly(str(module)))
    emitted = Counter(word for word in assembly.split() if word.startswith("sha256"))
    assert emitted == {"sha256h": 64, "sha256h2": 64, "sha256su0": 48, "sha256su1": 48}


@pytest.mark.parametrize("home_is_writable", [True, False])
def test_an_installation_that_cannot_be_written_to_uses_the_users_cache_or_none(
    tmp_path: Path, home_is_writable: bool
) -> None:
    installed = tmp_path / "site" / "linkcore"
    shutil.copytree(Path(linkcore.__file__).parent, installed, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (installed, installed / "pseudonyms"):
        (folder / "__pycache__").touch()  # a file instead of the folder: not even root can write below it
    home = tmp_path / "home"
    home.mkdir() if home_is_writable else home.touch()
    run(
        f"import linkcore; assert linkcore.__file__ == {str(installed / '__init__.py')!r}\n"
        "assert pseudonymise(series, key).to_list() == expected",
        tmp_path,
        PYTHONPATH=str(tmp_path / "site"),
        HOME=str(home),
        XDG_CACHE_HOME=str(home / "cache"),
        NUMBA_CACHE_DIR="",
    )
    assert bool([*home.rglob("*.nbi")]) == home_is_writable
