-- The csv format.

CREATE TABLE raw (a STRING, b STRING, c STRING, d STRING) WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv');

SELECT a, b, c FROM raw;

SELECT a FROM raw WHERE b = '';

SELECT COUNT(b) AS n FROM raw;

CREATE TABLE nulls (a INT, b STRING, c DECIMAL(10, 2), d TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT COUNT(b) AS n, COUNT(c) AS m FROM nulls;

CREATE TABLE wrong (a INT, b INT, c DECIMAL(10, 2), d TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv');

SELECT b FROM wrong;

CREATE TABLE lenient (a INT, b INT, c DECIMAL(10, 2), d TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.ignore-parse-errors' = 'true');

SELECT a, b, c FROM lenient;

CREATE TABLE empties (a INT, b STRING, c DECIMAL(10, 2), d TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv');

SELECT c FROM empties WHERE a = 5;
