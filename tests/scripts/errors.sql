-- An error says where: in the statement, and in the script. With --force the script goes on.
--args -u scripted: --force -o csv

FAIL 'no';
--! error: line 4, column 6: no
--!    FAIL 'no'
--!         ^^^^
--! hint: do not ask for failures

SELECT 1; FAIL
  'neither';
--> n,text
--> 0,row 0
--! error: line 10, column 15: neither
--!    FAIL
--!        ^
--! hint: do not ask for failures

!savepiont %1
--! error: line 19, column 1: no command !savepiont
--! hint: did you mean !savepoint? · !help lists all

!wait --until tomorrow
--! error: line 23, column 1: !wait: "tomorrow" is not one of running, first-checkpoint, finished
--! hint: usage: !wait [--any] [--until POINT] [--timeout TIME] [REF…]

SELECT 1;
--> n,text
--> 0,row 0
--exit 1
