"""What people copy out of a window: system messages, in the languages whose wording is sure, and programs' own.

Kept in lower case and without accents; the longer of two that begin alike comes first.
"""

PHRASES: tuple[tuple[str, int], ...] = (
    # 1722
    ("rpc server is unavailable", 1722),
    ("rpc server unavailable", 1722),
    ("rpc service is unavailable", 1722),
    ("rpc-server ist nicht verf", 1722),
    ("serveur rpc n'est pas disponible", 1722),
    ("servidor rpc no esta disponible", 1722),
    ("servidor rpc nao esta disponivel", 1722),
    ("server rpc non disponibile", 1722),
    ("server rpc non e disponibile", 1722),
    ("rpc-server is niet beschikbaar", 1722),
    ("serwer rpc jest niedostepny", 1722),
    ("server rpc neni k dispozici", 1722),
    ("rpc-servern ar inte tillganglig", 1722),
    ("rpc-serveren er ikke tilg", 1722),
    ("rpc-palvelin ei ole kaytettavissa", 1722),
    ("rpc-kiszolgalo nem erheto el", 1722),
    ("rpc sunucusu kullan", 1722),
    ("can't find a valid stringbinding", 1722),
    # 1753
    ("no more endpoints available", 1753),
    ("keine weiteren endpunkte", 1753),
    ("mappeur de point final n'a plus", 1753),
    ("mappeur de point de terminaison n'a plus", 1753),
    ("no hay mas extremos disponibles", 1753),
    # 1727 before 1726
    ("remote procedure call failed and did not execute", 1727),
    ("remoteprozeduraufruf ist fehlgeschlagen und wurde nicht", 1727),
    ("appel de procedure distante a echoue et ne s'est pas", 1727),
    ("remote procedure call failed", 1726),
    ("remoteprozeduraufruf ist fehlgeschlagen", 1726),
    ("appel de procedure distante a echoue", 1726),
    ("error en la llamada a procedimiento remoto", 1726),
    ("chiamata di procedura remota non riuscita", 1726),
    ("chamada de procedimento remoto falhou", 1726),
    ("remote procedure call was cancelled", 1818),
    ("rpc server is too busy", 1723),
    ("rpc protocol error", 1728),
    ("stub received bad data", 1783),
    ("procedure number is out of range", 1745),
    ("interface is unknown", 1717),
    ("schnittstelle ist unbekannt", 1717),
    ("security package specific error", 1825),
    ("authentication service is unknown", 1747),
    ("authentication level is not supported", 1821),
    ("not enough resources are available to complete this operation", 1721),
    # COM
    ("class not registered", 0x80040154),
    ("klasse nicht registriert", 0x80040154),
    ("classe non enregistree", 0x80040154),
    ("clase no registrada", 0x80040154),
    ("server execution failed", 0x80080005),
    ("starten des servers fehlgeschlagen", 0x80080005),
    ("object invoked has disconnected from its clients", 0x80010108),
    ("unable to establish communication with the remote", 0x8004D02B),
    ("import of the transaction failed", 0x8004D02B),
    # security
    ("target principal name is incorrect", 0x80090322),
    ("target account name is incorrect", 1396),
    ("no authority could be contacted for authentication", 0x80090311),
    ("clock skew too great", 1398),
    ("no logon servers available", 1311),
    ("specified domain either does not exist or could not be contacted", 1355),
    ("angegebene domane ist nicht vorhanden", 1355),
    ("user name or password is incorrect", 1326),
    ("unknown user name or bad password", 1326),
    ("benutzername oder das kennwort ist falsch", 1326),
    ("trust relationship between this workstation", 1789),
    ("vertrauensstellung zwischen dieser arbeitsstation", 1789),
    ("replication access was denied", 8453),
    ("dns lookup failure", 8524),
    # Winsock and SMB
    ("network path was not found", 53),
    ("netzwerkpfad wurde nicht gefunden", 53),
    ("chemin reseau n'a pas ete trouve", 53),
    ("network name is no longer available", 64),
    ("connected party did not properly respond after a period of time", 10060),
    ("da die gegenstelle nach einer bestimmten zeitspanne", 10060),
    ("target machine actively refused it", 10061),
    ("zielcomputer die verbindung verweigerte", 10061),
    ("forcibly closed by the remote host", 10054),
    ("no such host is known", 11001),
    ("host unbekannt", 11001),
    ("semaphore timeout period has expired", 121),
    # the broadest last
    ("access is denied", 5),
    ("access denied", 5),
    ("zugriff verweigert", 5),
    ("acces refuse", 5),
    ("acceso denegado", 5),
    ("accesso negato", 5),
    ("acesso negado", 5),
    ("toegang geweigerd", 5),
    ("odmowa dostepu", 5),
)
# as they are written; folded only where a text has other letters than ASCII
OTHER_SCRIPTS: tuple[tuple[str, int], ...] = (
    ("сервер rpc недоступен", 1722),
    ("rpc サーバーを利用できません", 1722),
    ("rpc 服务器不可用", 1722),
    ("rpc 伺服器無法使用", 1722),
    ("rpc 서버를 사용할 수 없습니다", 1722),
    ("не осталось доступных конечных точек", 1753),
    ("使用できるエンドポイントはこれ以上ありません", 1753),
    ("终结点映射器中没有更多的终结点可用", 1753),
    ("远程过程调用失败且未运行", 1727),
    ("сбой при удаленном вызове процедуры", 1726),
    ("リモート プロシージャ コールに失敗しました", 1726),
    ("远程过程调用失败", 1726),
    ("отказано в доступе", 5),
    ("アクセスが拒否されました", 5),
    ("拒绝访问", 5),
)


def folded(text: str) -> str:
    """Lower case, one blank between words, no accents."""
    lowered = " ".join(text.lower().split())
    if lowered.isascii():
        return lowered
    from unicodedata import category, normalize

    return "".join(one for one in normalize("NFKD", lowered) if category(one) != "Mn")


def said(text: str) -> list[tuple[int, str, int]]:
    """(place in the folded text, phrase, code) of what the text says, each stretch of it once, in its order."""
    whole = folded(text)
    others = () if whole.isascii() else tuple((folded(phrase), code) for phrase, code in OTHER_SCRIPTS)
    found: list[tuple[int, str, int]] = []
    for phrase, code in (*PHRASES, *others):
        at = whole.find(phrase)
        if at >= 0 and not any(place < at + len(phrase) and at < place + len(other) for place, other, _ in found):
            found.append((at, phrase, code))
    return sorted(found)
