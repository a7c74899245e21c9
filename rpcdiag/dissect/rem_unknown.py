"""IRemUnknown and IRemUnknown2: more interfaces of an object, and how many use it. [MS-DCOM] 3.1.1.5.6, 3.1.1.5.7

The operations are called on the IPID of the exporter's own object; that of the object meant is in the stub.
"""

from typing import NamedTuple

from rpcdiag.dissect import orpc
from rpcdiag.dissect.ndr import Ndr
from rpcdiag.dissect.objref import Objref, StdObjref, decode_interface_pointer, decode_std
from rpcdiag.dissect.orpc import OrpcThat, OrpcThis

REM_QUERY_INTERFACE = 3
REM_ADD_REF = 4
REM_RELEASE = 5
REM_QUERY_INTERFACE2 = 6  # only of IRemUnknown2
MAX_INTERFACES = 1 << 12


class Query(NamedTuple):
    """RemQueryInterface and RemQueryInterface2; the latter always takes as many references as the server likes."""

    this: OrpcThis
    ipid: str
    references: int | None
    iids: tuple[str, ...]


class Found(NamedTuple):
    """REMQIRESULT: the interface, where its HRESULT is no failure. [MS-DCOM] 2.2.24"""

    result: int
    std: StdObjref | None


class QueryAnswer(NamedTuple):
    that: OrpcThat
    found: tuple[Found, ...]
    status: int


class Query2Answer(NamedTuple):
    """One result for each interface asked for; references only for those that there are."""

    that: OrpcThat
    results: tuple[int, ...]
    references: tuple[Objref | None, ...]
    status: int


class References(NamedTuple):
    """REMINTERFACEREF. [MS-DCOM] 2.2.23"""

    ipid: str
    public: int
    private: int


class Count(NamedTuple):
    """RemAddRef and RemRelease."""

    this: OrpcThis
    references: tuple[References, ...]


class CountAnswer(NamedTuple):
    """`results` only of RemAddRef, one for each interface."""

    that: OrpcThat
    results: tuple[int, ...]
    status: int


def decode_query_request(ndr: Ndr, opnum: int) -> Query:
    """RemQueryInterface (3) and RemQueryInterface2 (6).

    Raises:
        DecodeError: as everywhere.
    """
    this = orpc.decode_this(ndr)
    ipid = ndr.guid("ipid")
    references = ndr.long("references") if opnum == REM_QUERY_INTERFACE else None
    ndr.skip(2, "interface_count")  # said again in the array
    count = ndr.count("iid_max", MAX_INTERFACES)
    return Query(this, ipid, references, tuple([ndr.guid("iid") for _ in range(count)]))


def decode_query_response(ndr: Ndr) -> QueryAnswer:
    """RemQueryInterface (3).

    Raises:
        DecodeError: as everywhere.
    """
    that = orpc.decode_that(ndr)
    count = ndr.count("result_max", MAX_INTERFACES) if ndr.pointer("results_ptr") else 0
    found = tuple([_found(ndr) for _ in range(count)])
    return QueryAnswer(that, found, ndr.long("status"))


def _found(ndr: Ndr) -> Found:
    ndr.align(8)
    result = ndr.u32("hresult")
    ndr.align(8)
    std = decode_std(ndr)
    return Found(result, None if result >> 31 else std)


def decode_query2_response(ndr: Ndr) -> Query2Answer:
    """RemQueryInterface2 (6).

    Raises:
        DecodeError: as everywhere.
    """
    that = orpc.decode_that(ndr)
    results = _results(ndr)
    pointers = [ndr.pointer("interface_ptr") for _ in range(ndr.count("interface_max", MAX_INTERFACES))]
    references = []
    for pointer in pointers:
        references.append(decode_interface_pointer(ndr) if pointer else None)
        ndr.align(4)
    return Query2Answer(that, results, tuple(references), ndr.long("status"))


def decode_count_request(ndr: Ndr) -> Count:
    """RemAddRef (4) and RemRelease (5).

    Raises:
        DecodeError: as everywhere.
    """
    this = orpc.decode_this(ndr)
    ndr.skip(2, "reference_count")  # said again in the array
    count = ndr.count("reference_max", MAX_INTERFACES)
    references = tuple([References(ndr.guid("ipid"), ndr.long("public"), ndr.long("private")) for _ in range(count)])
    return Count(this, references)


def decode_count_response(ndr: Ndr, opnum: int) -> CountAnswer:
    """RemAddRef (4) and RemRelease (5).

    Raises:
        DecodeError: as everywhere.
    """
    that = orpc.decode_that(ndr)
    results = _results(ndr) if opnum == REM_ADD_REF else ()
    return CountAnswer(that, results, ndr.long("status"))


def _results(ndr: Ndr) -> tuple[int, ...]:
    return tuple([ndr.long("result") for _ in range(ndr.count("result_max", MAX_INTERFACES))])
