"""Stage 1: the codes that suppliers put in place of NHS Numbers before they send data to the trusted team.

A code is HMAC-SHA-256 under the suppliers' key. In a two-stage programme all sources come with such codes, under one
key, and records are linked by their codes. The second stage hashes the 32 hex digits of a code to a recipient's
pseudonym. The trusted team never has the suppliers' key, so it cannot find the NHS Number behind a code.
"""

from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from linkcore.errors import ProgrammeError
from linkcore.identifiers.nhs_number import digits
from linkcore.identifiers.text import MISSING_WORDS, as_text, by_dtype, compact
from linkcore.keys.key import Key
from linkcore.pseudonyms.pseudonymise import pseudonymise
from linkcore.schema import NHS_NUMBER_STATUS

__all__ = ["CODE_TOKEN", "StageOne"]

CODE_TOKEN: Final = "stage1:"  # noqa: S105 -- no password
"""Beginning of the token of a person who is known by a stage-1 code; the 32 hex digits of the code follow."""

# A table holds 62 bits of a code where it would hold an NHS Number: an integer above all NHS Numbers, in 63 bits.
_ABOVE_NUMBERS: Final = 1 << 62
_DIGITS_OF_INTEGER: Final = 16


@dataclass(frozen=True)
class StageOne:
    """How a supplier makes and writes its stage-1 codes.

    All sources of a programme must use the same key and the same ``text``, or their codes do not match.

    Parameters
    ----------
    encoding : {"hex", "base64"}
        How the bytes of a code are written. Hex may be in upper or lower case.
    bits : int
        Length of a code: the leftmost bits of HMAC-SHA-256, a multiple of 8 from 128 to 256. Only the first 128 are
        used.
    text : {"digits", "spaced"}
        The text that was hashed: ``"9434765919"`` or ``"943 476 5919"``.

    Raises
    ------
    ProgrammeError
        A parameter has a value that it cannot have.

    Examples
    --------
    >>> StageOne(bits=64)
    Traceback (most recent call last):
    linkcore.errors.ProgrammeError: stage 1: bits must be a multiple of 8 from 128 to 256, not 64
    """

    encoding: Literal["hex", "base64"] = "hex"
    bits: int = 128
    text: Literal["digits", "spaced"] = "digits"

    def __post_init__(self) -> None:
        if self.encoding not in ("hex", "base64"):
            raise ProgrammeError(f"stage 1: encoding must be 'hex' or 'base64', not {self.encoding!r}")
        if self.bits not in range(128, 257, 8):
            raise ProgrammeError(f"stage 1: bits must be a multiple of 8 from 128 to 256, not {self.bits}")
        if self.text not in ("digits", "spaced"):
            raise ProgrammeError(f"stage 1: text must be 'digits' or 'spaced', not {self.text!r}")

    def write(self, number: pl.Expr, key: Key) -> pl.Expr:
        """Turn NHS Numbers into codes, as the suppliers do.

        Parameters
        ----------
        number : polars.Expr
            NHS Numbers as Int64.
        key : Key
            The suppliers' key.

        Returns
        -------
        polars.Expr
            String: the codes; null where the number is null.

        Examples
        --------
        >>> import hashlib
        >>> key = Key.from_bytes("suppliers", hashlib.sha256(b"example").digest())
        >>> pl.select(StageOne().write(pl.lit(9434765919), key)).item()
        '281d3885abc35f77b3953572ce915c1d'
        """
        text = digits(number)
        if self.text == "spaced":
            text = pl.format("{} {} {}", text.str.head(3), text.str.slice(3, 3), text.str.tail(4))
        if self.encoding == "hex":
            return pseudonymise(text, key, length=self.bits)
        return pseudonymise(text, key, length=self.bits, output="binary").bin.encode("base64")

    def read(self, column: pl.Expr, dtype: pl.DataType | None = None) -> pl.Expr:
        """Read codes, as the trusted team does.

        Parameters
        ----------
        column : polars.Expr
            Codes as the source writes them.
        dtype : polars.DataType, optional
            Dtype of the column; if it is not given, Polars finds it when the query runs.

        Returns
        -------
        polars.Expr
            Struct of ``value`` (Int64, made of the code, above all NHS Numbers; it takes their place in RECORDS),
            ``status`` (``schema.NHS_NUMBER_STATUS``: valid, missing or malformed) and ``code`` (String, 32 lower-case
            hex digits). ``value`` and ``code`` are null unless the status is valid.

        Examples
        --------
        >>> codes = pl.DataFrame({"code": ["DD5C602EEB31D60C7C0D662C897231DD", "943 476 5919", None]})
        >>> codes.select(StageOne().read(pl.col("code")).struct.field("status", "code")).rows()
        [('valid', 'dd5c602eeb31d60c7c0d662c897231dd'), ('malformed', None), ('missing', None)]
        """
        return by_dtype(column, lambda one, dtype: self._read(as_text(one, dtype).str.strip_chars()), dtype)

    def _read(self, text: pl.Expr) -> pl.Expr:
        length = self.bits // 8
        if self.encoding == "hex":
            sound = text.str.contains(f"^[0-9A-Fa-f]{{{2 * length}}}$")
            whole = pl.when(sound).then(text.str.to_lowercase()).otherwise(None)
        else:
            # The decoder would quote a value that is not base64 in its error.
            sound = text.str.contains(f"^[A-Za-z0-9+/]{{{-(-length * 4 // 3)}}}={{0,2}}$")
            decoded = pl.when(sound).then(text).otherwise(None).str.decode("base64", strict=False).bin.encode("hex")
            whole = pl.when(decoded.str.len_bytes() == 2 * length).then(decoded).otherwise(None)
        code = whole.str.head(32)
        integer = code.str.head(_DIGITS_OF_INTEGER).str.to_integer(base=16, dtype=pl.UInt64)
        missing = text.is_null() | compact(text).is_in(list(MISSING_WORDS))
        status = pl.when(code.is_not_null()).then(pl.lit("valid")).when(missing).then(pl.lit("missing"))
        return pl.struct(
            value=(integer // 4 + _ABOVE_NUMBERS).cast(pl.Int64),
            status=status.otherwise(pl.lit("malformed")).cast(NHS_NUMBER_STATUS),
            code=code,
        )
