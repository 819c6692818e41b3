-- SHOW.

SHOW CATALOGS;
--: `catalog name` STRING
--> ["default_catalog"]

SHOW CURRENT CATALOG;
--: `current catalog name` STRING
--> ["default_catalog"]

SHOW DATABASES;
--: `database name` STRING
--> ["default_database"]

SHOW CURRENT DATABASE;
--: `current database name` STRING
--> ["default_database"]

CREATE DATABASE shop;

USE shop;

SHOW CURRENT DATABASE;
--: `current database name` STRING
--> ["shop"]

CREATE TABLE a (x INT) WITH ('connector' = 'blackhole');

CREATE TABLE b (x INT) WITH ('connector' = 'blackhole');

SHOW TABLES;
--: `table name` STRING
--> ["a"]
--> ["b"]

SHOW TABLES LIKE 'a%';
--: `table name` STRING
--> ["a"]

CREATE TABLE a (x INT) WITH ('connector' = 'blackhole');
--! org.apache.flink.table.catalog.exceptions.TableAlreadyExistException: Table (or view) shop.a already exists in Catalog default_catalog

CREATE TABLE IF NOT EXISTS a (y INT) WITH ('connector' = 'blackhole');

DROP TABLE b;

SHOW TABLES;
--: `table name` STRING
--> ["a"]

DROP TABLE b;
--! org.apache.flink.table.api.ValidationException: Table with identifier 'default_catalog.shop.b' does not exist

DROP TABLE IF EXISTS b;

USE default_database;

SHOW TABLES FROM shop;
--: `table name` STRING
--> ["a"]

DROP DATABASE shop;
--! org.apache.flink.table.catalog.exceptions.DatabaseNotEmptyException: Database shop in catalog default_catalog is not empty

DROP DATABASE shop CASCADE;

SHOW DATABASES;
--: `database name` STRING
--> ["default_database"]

USE nowhere;
--! org.apache.flink.table.catalog.exceptions.CatalogException: A database with name [nowhere] does not exist in the catalog: [default_catalog]

SHOW CREATE TABLE nowhere;
--! org.apache.flink.table.api.ValidationException: Could not execute SHOW CREATE TABLE. Table with identifier `default_catalog`.`default_database`.`nowhere` does n
