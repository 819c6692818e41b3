"""Makes what KYUUBI_HOME is to name from Kyuubi's source: the server and its Flink engine, without what else belongs to a release.

    distribution.py SOURCE HOME

SOURCE is a checkout of a release (1.11.1 was tried), HOME a directory that there is not yet. It takes Maven for the jars that it
depends on, Scala's compiler (as a jar) and a JDK, and none of the plugins of Kyuubi's own build. Nothing in the source is changed.
"""

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

POM = "{http://maven.apache.org/POM/4.0.0}"
# In the order in which they need each other.
MODULES = [
    "kyuubi-util", "kyuubi-util-scala", "kyuubi-common", "kyuubi-events", "kyuubi-metrics", "kyuubi-zookeeper", "kyuubi-ha",
    "extensions/server/kyuubi-server-plugin", "kyuubi-rest-client", "kyuubi-hive-jdbc", "kyuubi-server",
]  # fmt: skip
ENGINE = "externals/kyuubi-flink-sql-engine"
# What it is compiled with and a release does not have.
BESIDE = {"org.apache.hbase"}
# What the engine's jar carries.
CARRIED = (
    "jackson-core-", "jackson-databind-", "jackson-annotations-", "jackson-module-scala", "failureaccess-", "guava-",
    "commons-codec-", "commons-lang3-", "kyuubi-relocated-thrift-", "kyuubi-relocated-hive-service-rpc-", "kyuubi-relocated-util-",
    "kyuubi-relocated-zookeeper-", "kyuubi-util-", "kyuubi-common_", "kyuubi-ha_", "kyuubi-flink-sql-engine_",
)  # fmt: skip


def run(*command, **options):
    if subprocess.run([str(part) for part in command], **options).returncode:
        sys.exit(f"{' '.join(map(str, command[:2]))} … has failed")


def text(element, name):
    return element.findtext(f"{POM}{name}", default="")


class Build:
    def __init__(self, source, home):
        self.source, self.home = source.resolve(), home.resolve()
        self.work = self.home / "build"
        self.work.mkdir(parents=True)
        root = ElementTree.parse(self.source / "pom.xml").getroot()
        self.version = text(root, "version")
        properties = root.find(f"{POM}properties")
        self.property = lambda name: text(properties, name)
        self.scala = self.property("scala.binary.version")

    def artifact(self, module):
        """The name of its jar, without version."""
        return text(ElementTree.parse(self.source / module / "pom.xml").getroot(), "artifactId").replace(
            "${scala.binary.version}", self.scala
        )

    def needed(self, modules, besides=frozenset()):
        """The dependencies of some modules, but for those among themselves, those of their tests, and those of some groups."""
        found = {}
        for module in modules:
            pom = ElementTree.parse(self.source / module / "pom.xml").getroot()
            for entry in pom.findall(f"{POM}dependencies/{POM}dependency"):
                group, name, classifier = (text(entry, part) for part in ("groupId", "artifactId", "classifier"))
                own = group == "org.apache.kyuubi" and "relocated" not in name
                if text(entry, "scope") == "test" or own or group in besides:
                    continue
                parts = [("groupId", group), ("artifactId", name), ("classifier", classifier), ("version", text(entry, "version"))]
                # The parent's scopes would leave some out.
                parts.append(("scope", "compile"))
                found[group, name, classifier] = "".join(f"<{part}>{value}</{part}>" for part, value in parts if value)
        return [f"<dependency>{entry}</dependency>" for entry in found.values()]

    def resolve(self, name, dependencies, parent=True):
        """The jars of some dependencies, in the versions that Kyuubi says."""
        place = self.work / name
        place.mkdir()
        above = (
            f"<parent><groupId>org.apache.kyuubi</groupId><artifactId>kyuubi-parent</artifactId><version>{self.version}</version>"
            f"<relativePath>{os.path.relpath(self.source / 'pom.xml', place)}</relativePath></parent>"
            "<dependencyManagement><dependencies><dependency><groupId>org.glassfish.jersey</groupId><artifactId>jersey-bom</artifactId>"
            "<version>${jersey.version}</version><type>pom</type><scope>import</scope></dependency></dependencies></dependencyManagement>"
        )
        (place / "pom.xml").write_text(
            '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
            f"{above if parent else ''}<groupId>build</groupId><artifactId>{name}</artifactId><version>1</version>"
            f"<packaging>pom</packaging><dependencies>{''.join(dependencies)}</dependencies></project>"
        )
        run("mvn", "-q", "-B", "-ntp", "-f", place / "pom.xml", "dependency:copy-dependencies",
            f"-DoutputDirectory={place / 'jars'}")  # fmt: skip
        return sorted((place / "jars").glob("*.jar"))

    def parsers(self, tools):
        """What ANTLR makes of the server's grammars."""
        made = self.work / "grammars/org/apache/kyuubi/sql"
        made.mkdir(parents=True)
        grammars = self.source / "kyuubi-server/src/main/antlr4/org/apache/kyuubi/sql"
        for grammar in sorted(grammars.glob("*.g4"), key=lambda file: "Lexer" not in file.name):
            run("java", "-cp", joined(tools), "org.antlr.v4.Tool", "-visitor", "-package", "org.apache.kyuubi.sql", "-lib", made, "-o", made,
                grammar.name, cwd=grammars)  # fmt: skip
        return sorted(made.glob("*.java"))

    def compile(self, module, path, tools, more=()):
        """The module's jar."""
        name = f"{self.artifact(module)}-{self.version}"
        print(name, flush=True)
        classes = self.work / "classes" / name
        classes.mkdir(parents=True)
        main = self.source / module / "src/main"
        java = [*main.rglob("*.java"), *more]
        path = joined([classes, *path])
        if scala := list(main.rglob("*.scala")):
            files = self.listed(f"{name}.scala", [*scala, *java])
            run("java", "-Xss8m", "-Xmx3g", "-cp", joined(tools), "scala.tools.nsc.Main", "-nowarn", "-target:jvm-1.8", "-classpath", path,
                "-d", classes, f"@{files}")  # fmt: skip
        if java:
            files = self.listed(f"{name}.java", java)
            run("javac", "-nowarn", "-proc:none", "-encoding", "UTF-8", "-source", "8", "-target", "8", "-Xlint:-options", "-cp", path,
                "-d", classes, f"@{files}")  # fmt: skip
        if (resources := main / "resources").is_dir():
            shutil.copytree(resources, classes, dirs_exist_ok=True)
        if module == "kyuubi-common":
            versions = ["java", "scala.binary", "spark", "hive", "hadoop", "flink", "trino.client"]
            run("bash", self.source / "build/kyuubi-build-info", classes, self.version,
                *(self.property(f"{name}.version") or "0" for name in versions), cwd=self.source)  # fmt: skip
        jar = self.work / f"{name}.jar"
        run("jar", "cf", jar, "-C", classes, ".")
        return jar

    def listed(self, name, files):
        listing = self.work / name
        listing.write_text("\n".join(map(str, files)))
        return listing

    def make(self):
        scala = self.property("scala.version")
        antlr = self.property("antlr4.version")
        tools = [("org.scala-lang", "scala-compiler", scala), ("org.antlr", "antlr4", antlr)]
        tools = self.resolve(
            "tools",
            [f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
             for group, name, version in tools],
            parent=False,
        )  # fmt: skip
        libraries = self.resolve("server", self.needed(MODULES, BESIDE))
        beside = self.resolve("beside", self.needed(MODULES))
        flink = self.resolve("flink", self.needed([ENGINE]))
        own = []
        for module in MODULES:
            more = self.parsers(tools) if module == "kyuubi-server" else []
            own.append(self.compile(module, [*own, *beside], tools, more))
        engine = self.compile(ENGINE, [*own[:-1], *flink, *libraries], tools)

        jars = self.home / "jars"
        jars.mkdir()
        for jar in [*libraries, *own]:
            shutil.copy(jar, jars)
        place = self.home / "externals/engines/flink"
        place.mkdir(parents=True)
        # A release's has its libraries under other names. Flink's jars have none under these.
        with zipfile.ZipFile(place / engine.name, "w", zipfile.ZIP_DEFLATED) as whole:
            seen = set()
            for jar in [engine, *own, *libraries]:
                if not jar.name.startswith(CARRIED):
                    continue
                with zipfile.ZipFile(jar) as part:
                    for entry in part.namelist():
                        signed = entry.startswith("META-INF/") and entry.endswith((".SF", ".RSA", ".DSA"))
                        if entry in seen or entry.endswith("/") or signed or entry.startswith("META-INF/versions/"):
                            continue
                        seen.add(entry)
                        whole.writestr(entry, part.read(entry))
        shutil.rmtree(self.work)


def joined(path):
    return os.pathsep.join(map(str, path))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    Build(Path(sys.argv[1]), Path(sys.argv[2])).make()


main()
