"""UUID to opnum to name. Made by tools/make_tables.py out of tables/interfaces.tsv."""

OPERATIONS: dict[str, dict[int, str]] = {
    '00000001-0000-0000-c000-000000000046': {
        3: 'CreateInstance',
        4: 'LockServer',
    },
    '00000131-0000-0000-c000-000000000046': {
        3: 'RemQueryInterface',
        4: 'RemAddRef',
        5: 'RemRelease',
    },
    '00000143-0000-0000-c000-000000000046': {
        3: 'RemQueryInterface',
        4: 'RemAddRef',
        5: 'RemRelease',
        6: 'RemQueryInterface2',
    },
    '000001a0-0000-0000-c000-000000000046': {
        3: 'RemoteGetClassObject',
        4: 'RemoteCreateInstance',
    },
    '00020400-0000-0000-c000-000000000046': {
        3: 'GetTypeInfoCount',
        4: 'GetTypeInfo',
        5: 'GetIDsOfNames',
        6: 'Invoke',
    },
    '00020404-0000-0000-c000-000000000046': {
        3: 'Next',
        4: 'Skip',
        5: 'Reset',
        6: 'Clone',
    },
    '027947e1-d731-11ce-a357-000000000001': {
        3: 'Reset',
        4: 'Next',
        5: 'NextAsync',
        6: 'Clone',
        7: 'Skip',
    },
    '1c1c45ee-4395-11d2-b60b-00104b703efd': {
        3: 'GetSmartEnum',
    },
    '39c13a4d-011e-11d0-9675-0020afd8adb3': {
        3: 'AddGroup',
    },
    '39c13a52-011e-11d0-9675-0020afd8adb3': {
        3: 'Read',
        4: 'Write',
    },
    '39c13a54-011e-11d0-9675-0020afd8adb3': {
        3: 'AddItems',
    },
    '39c13a70-011e-11d0-9675-0020afd8adb3': {
        3: 'OnDataChange',
        4: 'OnReadComplete',
        5: 'OnWriteComplete',
        6: 'OnCancelComplete',
    },
    '423ec01e-2e35-11d2-b604-00104b703efd': {
        3: 'Next',
    },
    '4d9f4ab8-7d1c-11cf-861e-0020af6e7c57': {
        0: 'RemoteActivation',
    },
    '5422fd3a-d4b8-4cef-a12e-e87d4ca22e90': {
        6: 'Request2',
        7: 'GetCAProperty',
        8: 'GetCAPropertyInfo',
        9: 'Ping2',
    },
    '6516885f-5783-11d1-84a0-00608cb8a7e9': {
        3: 'OnEvent',
    },
    '7c857801-7381-11cf-884d-00aa004b2e24': {
        3: 'Indicate',
        4: 'SetStatus',
    },
    '8326cd1d-cf59-4936-b786-5efc08798e25': {
        3: 'OnNotify',
    },
    '9556dc99-828c-11cf-a37e-00aa003240c7': {
        6: 'GetObject',
        18: 'CreateInstanceEnum',
        20: 'ExecQuery',
        21: 'ExecQueryAsync',
        22: 'ExecNotificationQuery',
        24: 'ExecMethod',
        25: 'ExecMethodAsync',
    },
    '99fcfec4-5260-101b-bbcb-00aa0021347a': {
        0: 'ResolveOxid',
        1: 'SimplePing',
        2: 'ComplexPing',
        3: 'ServerAlive',
        4: 'ResolveOxid2',
        5: 'ServerAlive2',
    },
    'afa8bd80-7d8a-11c9-bef4-08002b102989': {
        0: 'inq_if_ids',
        1: 'inq_stats',
        2: 'is_server_listening',
        3: 'stop_server_listening',
        4: 'inq_princ_name',
    },
    'b196b284-bab4-101a-b69c-00aa00341d07': {
        3: 'EnumConnectionPoints',
        4: 'FindConnectionPoint',
    },
    'b196b286-bab4-101a-b69c-00aa00341d07': {
        3: 'GetConnectionInterface',
        4: 'GetConnectionPointContainer',
        5: 'Advise',
        6: 'Unadvise',
        7: 'EnumConnections',
    },
    'd4781cd6-e5d3-44df-ad94-930efe48a887': {
        3: 'SetClientInfo',
    },
    'd99e6e70-fc88-11d0-b498-00a0c90312f3': {
        3: 'Request',
        4: 'GetCACert',
        5: 'Ping',
    },
    'e1af8308-5d1f-11c9-91a4-08002b14a0fa': {
        0: 'ept_insert',
        1: 'ept_delete',
        2: 'ept_lookup',
        3: 'ept_map',
        4: 'ept_lookup_handle_free',
        5: 'ept_inq_object',
        6: 'ept_mgmt_delete',
        7: 'ept_map_auth',
        8: 'ept_map_auth_async',
    },
    'f309ad18-d86a-11d0-a075-00c04fb68820': {
        3: 'EstablishPosition',
        4: 'RequestChallenge',
        5: 'WBEMLogin',
        6: 'NTLMLogin',
    },
    'f31dfde1-07b6-11d2-b2d8-0060083ba1fb': {
        3: 'ShutdownRequest',
    },
}
