-- An error says where: in the statement, and in the script. With --force the script goes on.
--args -u scripted: --force -o csv

FAIL 'no';

SELECT 1; FAIL
  'neither';

!savepiont %1

!wait --until tomorrow

SELECT 1;
