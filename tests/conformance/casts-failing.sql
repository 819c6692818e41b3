-- A cast that fails ends the query.

SELECT CAST('x' AS INT) AS a;
--! java.lang.NumberFormatException: For input string: 'x'. Invalid character found

SELECT CAST('' AS INT) AS a;
--! java.lang.NumberFormatException: For input string: ''. Input is empty

SELECT CAST('x' AS DOUBLE) AS a;
--! java.lang.NumberFormatException: For input string: "x"

SELECT CAST('maybe' AS BOOLEAN) AS a;
--! org.apache.flink.table.api.TableException: Cannot parse 'maybe' as BOOLEAN

SELECT CAST('2024-02-30' AS DATE) AS a;
--! java.time.DateTimeException: For input string: '2024-02-30'

SELECT CAST('yesterday' AS TIMESTAMP(3)) AS a;
--! java.time.format.DateTimeParseException: Text 'yesterday' could not be parsed at index 0

SELECT CAST(s AS DECIMAL(5, 2)) AS a FROM (VALUES ('1'), ('2x')) AS t(s);
--: a DECIMAL(5, 2) NOT NULL
--> [1.00]
--> [2.00]
--local! '2x' is no DECIMAL(5, 2)

SELECT CAST('99999999999' AS INT) AS a;
--! java.lang.NumberFormatException: For input string: '99999999999'. Overflow

SELECT CAST('300' AS TINYINT) AS a;
--! java.lang.NumberFormatException: For input string: '300'. Overflow

SELECT CAST(s AS INT) AS a FROM (VALUES ('1'), ('2x')) AS t(s);
--! java.lang.NumberFormatException: For input string: '2x'. Invalid character found

SELECT CAST(DATE '2024-01-01' AS INT) AS a;
--! org.apache.calcite.sql.validate.SqlValidatorException: Cast function cannot convert value of type DATE to type INTEGER

SELECT CAST(TRUE AS DATE) AS a;
--! org.apache.calcite.sql.validate.SqlValidatorException: Cast function cannot convert value of type BOOLEAN to type DATE
