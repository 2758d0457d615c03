"""XML of others, without what a few lines of it can fill all memory with."""

from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree as ET
from xml.parsers import expat


def read_xml(path: Path, *, give: str) -> ET.Element:
    """The root of an XML file without a document type, and so without entities that grow.

    Args:
        path: the file.
        give: what to give instead of a missing file, for the error.

    Raises:
        ValueError: for a file that is missing, is no XML, or declares a document type.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     _ = Path(home, "a.xml").write_text("<tagset><image/></tagset>")
    ...     read_xml(Path(home, "a.xml"), give="a list").tag
    'tagset'
    """
    builder, parser = ET.TreeBuilder(), expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse  # it comes before any entity, in every encoding
    try:
        parser.Parse(path.read_bytes(), True)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{path}: no such file; give {give}") from None
    except (expat.ExpatError, OSError, LookupError, ValueError) as error:
        raise ValueError(f"{path}: not readable as XML: {error}") from None
    return builder.close()


def _refuse(*declared: object) -> NoReturn:
    raise ValueError("it declares a document type, which may hold entities that grow; files of this kind have none")
