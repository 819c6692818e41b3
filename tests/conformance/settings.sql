-- SET and RESET do not fail, and a statement of nonsense does.

SET 'pipeline.name' = 'x';

RESET 'pipeline.name';

SELEC 1;
--! org.apache.calcite.runtime.CalciteException: Non-query expression encountered in illegal context

SELECT 1 FROM;
--! org.apache.flink.sql.parser.impl.ParseException: Encountered "<EOF>" at line 1, column 13

SELECT (1;
--! org.apache.flink.sql.parser.impl.ParseException: Encountered "<EOF>" at line 1, column 9

SELECT f(1);
--! org.apache.calcite.sql.validate.SqlValidatorException: No match found for function signature f(<NUMERIC>)

SELECT SUM('a');
--! org.apache.calcite.sql.validate.SqlValidatorException: Cannot apply 'SUM' to arguments of type 'SUM(<CHAR(1)>)'. Supported form(s): 'SUM(<NUMERIC>)'

SELECT UPPER(1);
--! org.apache.calcite.sql.validate.SqlValidatorException: Cannot apply 'UPPER' to arguments of type 'UPPER(<INTEGER>)'. Supported form(s): 'UPPER(<CHARACTER>)'

SELECT 'a' + 1;
--! org.apache.calcite.sql.validate.SqlValidatorException: Cannot apply '+' to arguments of type '<CHAR(1)> + <INTEGER>'. Supported form(s): '<NUMERIC> + <NUMERIC>'

SELECT TRUE + 1;
--! org.apache.calcite.sql.validate.SqlValidatorException: Cannot apply '+' to arguments of type '<BOOLEAN> + <INTEGER>'. Supported form(s): '<NUMERIC> + <NUMERIC>'

SELECT 1 WHERE 1;
--! org.apache.flink.sql.parser.impl.ParseException: Incorrect syntax near the keyword 'WHERE' at line 1, column 10

SELECT COUNT(*) FROM (VALUES (1)) AS t(a) WHERE COUNT(*) > 0;
--! org.apache.calcite.sql.validate.SqlValidatorException: Aggregate expression is illegal in WHERE clause
