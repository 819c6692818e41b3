#!/usr/bin/env python3
"""Records what a Flink SQL gateway answers to statements.sql, in both row formats.

usage: record.py GATEWAY_URL > VERSION/recorded.txt

The cluster must run on this machine: one statement reads a file. Pages without rows are left out, except the last one of
a result that has none; a refused page is its HTTP status.
"""
import json
import pathlib
import sys
import tempfile
import time
import urllib.error
import urllib.request

GATEWAY = sys.argv[1]
CSV = '2024-02-29 12:34:56.123456789,2024-02-29 12:34:56.123456789,2024-02-29 12:34:56.123456789,12:34:56.789,123.456\n'


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(GATEWAY + path, data, {'Content-Type': 'application/json'}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def session(mode):
    properties = {
        'execution.runtime-mode': mode,
        'restart-strategy.type': 'none',
        'table.local-time-zone': 'Asia/Kolkata',
    }
    return json.loads(call('POST', '/v2/sessions', {'properties': properties})[1])['sessionHandle']


def pages(session, statement, row_format):
    _, body = call('POST', f'/v2/sessions/{session}/statements', {'statement': statement})
    operation = f"/v2/sessions/{session}/operations/{json.loads(body)['operationHandle']}"
    token, any_rows = '0', False
    while True:
        status, body = call('GET', f'{operation}/result/{token}?rowFormat={row_format}')
        if status != 200:
            yield str(status)
            return
        page = json.loads(body)
        if page['resultType'] == 'NOT_READY' or page['resultType'] == 'PAYLOAD' and not page['results']['data']:
            time.sleep(0.05)
        elif page['results']['data'] or not any_rows:
            any_rows = True
            yield body
        if 'nextResultUri' not in page:
            return
        token = page['nextResultUri'].split('/result/')[1].split('?')[0]


with tempfile.TemporaryDirectory() as directory:
    pathlib.Path(directory, 'careless.csv').write_text(CSV)
    batch, streaming = session('batch'), session('streaming')
    for line in pathlib.Path(__file__).with_name('statements.sql').read_text().splitlines():
        statement = line.replace('${directory}', directory)
        print('SQL', line)
        formats = ['JSON', 'PLAIN_TEXT'] if not line.startswith('CREATE') else ['JSON']
        for row_format in formats:
            for page in pages(streaming if 'streaming' in line else batch, statement, row_format):
                print(row_format, page)
