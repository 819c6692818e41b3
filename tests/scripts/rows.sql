-- Rows, and a statement that fails: the script ends there.
--args -u scripted: -o csv

SELECT 2;

SELECT 1 FAILING 'the disk is full';

SELECT 1;
