"""Encrypted tables: Parquet modular encryption with AES-256-GCM, by pyarrow.

The Parquet format defines the encryption, and other Parquet libraries read it too. Every page, header and footer is a
module with a tag and a random nonce of its own (AES_GCM_V1). DuckDB's encrypted files were the other choice. DuckDB
encrypts securely only with OpenSSL, which comes with an extension from the network; without it, DuckDB refuses to
write. It also takes its key as SQL text, which logs and errors may show.

Each store has a salt of its own, and two keys are derived from the trusted team's key and this salt: one for the
tables, one for the check of the header. So no two stores share a key, and no nonce can occur twice under one.
"""

import hmac
import secrets
from typing import TYPE_CHECKING, Final, Self, final

import polars as pl

from linkcore.errors import KeyMaterialError
from linkcore.keys.key import Key
from linkcore.keys.secret import Hidden, Secret

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["StoreLock"]

_SALT_BYTES: Final = 32

# Text of few values is written as their numbers: a source's name millions of times over takes most of the time else.
_FEW_VALUES: Final = "^source$"


@final
class StoreLock(Hidden):
    """The two keys of one store, derived from a key of the trusted team and the salt of the store.

    Examples
    --------
    >>> lock = StoreLock(Key.generate("store-2026"))
    >>> frame = pl.DataFrame({"record_id": ["a", None]})
    >>> lock, lock.decrypted("links", lock.encrypted("links", frame)).equals(frame)
    (<StoreLock>, True)
    """

    __slots__ = ("_header", "_tables", "key_id", "key_version", "salt")

    key_id: str
    key_version: int
    salt: bytes
    _tables: Secret[bytes]
    _header: Secret[bytes]

    def __init__(self, key: Key, salt: bytes | None = None) -> None:
        key.refuse_if_weak()
        salt = salt or secrets.token_bytes(_SALT_BYTES)
        object.__setattr__(self, "key_id", key.id)
        object.__setattr__(self, "key_version", key.version)
        object.__setattr__(self, "salt", salt)
        object.__setattr__(self, "_tables", key.derived("linkage store, tables", salt))
        object.__setattr__(self, "_header", key.derived("linkage store, header", salt))

    def __repr__(self) -> str:
        return "<StoreLock>"

    @classmethod
    def as_stated(cls, key: Key, stated: dict[str, object]) -> Self:
        """Derive the keys of a store from what its header states."""
        return cls(key, bytes.fromhex(str(stated["salt"])))

    def stated(self) -> dict[str, object]:
        """Return what the header states of the encryption."""
        cipher = "Parquet modular encryption, AES_GCM_V1, 256 bits"
        return {"cipher": cipher, "key": self.key_id, "key_version": self.key_version, "salt": self.salt.hex()}

    def check(self, header: bytes) -> str:
        """Return the HMAC-SHA-256 of a header."""
        return hmac.digest(self._header.reveal(), header, "sha256").hex()

    def encrypted(self, name: str, frame: pl.DataFrame) -> bytes:
        """Write a table as an encrypted Parquet file; ``name`` is authenticated with it."""
        import pyarrow as pa
        import pyarrow.parquet as pq
        from pyarrow.parquet.encryption import create_encryption_properties

        numbered = frame.with_columns(
            pl.col(column.name).cast(pl.Enum(column.unique().drop_nulls().sort()))
            for column in frame.select(pl.selectors.string() & pl.selectors.matches(_FEW_VALUES)).iter_columns()
        )
        # Parquet of pyarrow cannot write the newer layouts of text.
        table = numbered.to_arrow(compat_level=pl.CompatLevel.oldest())
        sink = pa.BufferOutputStream()
        pq.write_table(
            table,
            sink,
            compression="lz4",
            use_dictionary=[name for name, dtype in numbered.schema.items() if dtype == pl.Enum],
            write_statistics=False,
            encryption_properties=create_encryption_properties(
                self._tables.reveal(), aad_prefix=name.encode(), store_aad_prefix=False
            ),
        )
        content: bytes = sink.getvalue().to_pybytes()
        return content

    def decrypted(self, name: str, content: bytes, columns: list[str] | None = None) -> pl.DataFrame:
        """Read an encrypted table; refuse one that was altered, or is of another store or another name."""
        try:
            frame = pl.from_arrow(self._read(name, content, columns))
            assert isinstance(frame, pl.DataFrame)
            return frame.with_columns((pl.selectors.matches(_FEW_VALUES) & pl.selectors.enum()).cast(pl.String))
        except (OSError, ValueError, pl.exceptions.PolarsError):  # pyarrow's own errors are of the first two
            pass
        raise KeyMaterialError(f"{name} does not open: it was altered, or is of another store; restore it from a copy")

    def _read(self, name: str, content: bytes, columns: list[str] | None) -> "pa.Table":
        import pyarrow as pa
        import pyarrow.parquet as pq
        from pyarrow.parquet.encryption import create_decryption_properties

        properties = create_decryption_properties(self._tables.reveal(), aad_prefix=name.encode())
        with pq.ParquetFile(pa.BufferReader(content), decryption_properties=properties) as file:
            return file.read(columns)
