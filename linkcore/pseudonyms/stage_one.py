"""Stage 1: the codes that a supplier puts in place of NHS Numbers, before anything comes to the trusted team.

A code is HMAC-SHA-256 under the suppliers' key. In a two-stage programme every source comes with such codes, all under
one key, and persons are linked by them; a recipient's pseudonym is the second stage, over the code's 32 hex digits. The
trusted team never holds the first key, and cannot tell which NHS Number a code is of.
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

CODE_TOKEN: Final = "stage1:"  # noqa: S105 -- a token of ours, no password
"""What the token of a person begins with who is known by a stage-1 code; the 32 hex digits follow."""

# Where an NHS Number stands in a table as an integer, 62 bits of a code stand: above all NHS Numbers, in 63 bits.
_ABOVE_NUMBERS: Final = 1 << 62
_DIGITS_OF_INTEGER: Final = 16


@dataclass(frozen=True)
class StageOne:
    """How a supplier makes and writes its codes; all sources of a programme must be of the same ``text`` and key.

    Parameters
    ----------
    encoding : {"hex", "base64"}
        How the bytes are written; upper and lower case of hex do not matter.
    bits : int
        How many bits a code has, the leftmost of HMAC-SHA-256: a multiple of 8 from 128 to 256. The first 128 count.
    text : {"digits", "spaced"}
        Of which text: the ten digits, or as they are shown, ``"943 476 5919"``.

    Raises
    ------
    ProgrammeError
        If it cannot be.

    Examples
    --------
    >>> StageOne(bits=64)
    Traceback (most recent call last):
    linkcore.errors.ProgrammeError: stage 1: bits is a multiple of 8 from 128 to 256, not 64
    """

    encoding: Literal["hex", "base64"] = "hex"
    bits: int = 128
    text: Literal["digits", "spaced"] = "digits"

    def __post_init__(self) -> None:
        if self.encoding not in ("hex", "base64"):
            raise ProgrammeError(f"stage 1: encoding is 'hex' or 'base64', not {self.encoding!r}")
        if self.bits not in range(128, 257, 8):
            raise ProgrammeError(f"stage 1: bits is a multiple of 8 from 128 to 256, not {self.bits}")
        if self.text not in ("digits", "spaced"):
            raise ProgrammeError(f"stage 1: text is 'digits' or 'spaced', not {self.text!r}")

    def write(self, number: pl.Expr, key: Key) -> pl.Expr:
        """Make codes of NHS Numbers, as the holder of the first key does.

        Parameters
        ----------
        number : polars.Expr
            Int64, such as :func:`linkcore.nhs_number` gives.
        key : Key
            The suppliers'.

        Returns
        -------
        polars.Expr
            String, null where there is no number.

        Examples
        --------
        >>> key = Key.from_bytes("suppliers", bytes(range(32)))
        >>> pl.select(StageOne().write(pl.lit(9434765919), key)).item()
        'dd5c602eeb31d60c7c0d662c897231dd'
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
            Codes, as a source holds them.
        dtype : polars.DataType, optional
            Its dtype, where it is known.

        Returns
        -------
        polars.Expr
            Struct with ``value`` (Int64: what stands for the code where an NHS Number would be, above all of these),
            ``code`` (String: 32 lower-case hex digits), both null unless valid; and ``status``
            (``schema.NHS_NUMBER_STATUS``: valid, missing or malformed).

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
            # Of what is no base64, the decoder's message would quote the value.
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
