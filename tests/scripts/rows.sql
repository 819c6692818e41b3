-- Rows, and a statement that fails: the script ends there.
--args -u scripted: -o csv

ROWS 2;

FAIL 'this is
not to be';

ROWS 1;
