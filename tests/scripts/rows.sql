-- Rows, and a statement that fails: the script ends there.
--args -u scripted: -o csv

ROWS 2;
--! error: line 4, column 1: ROWS is not the beginning of a statement
--!    ROWS 2
--!    ^^^^

FAIL 'this is
not to be';

ROWS 1;
--exit 1
