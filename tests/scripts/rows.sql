-- Rows, and a statement that fails: the script ends there.
--args -u scripted: -o csv

SELECT 2;
--> n,text
--> 0,row 0
--> 1,row 1

SELECT 1 FAILING 'the disk is full';
--> n,text
--> 0,row 0
--! error: line 9, column 1: the disk is full

SELECT 1;
--exit 1
