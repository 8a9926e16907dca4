# SPDX-License-Identifier: Apache-2.0
"""Conan 2 recipe, for recipes/cnnc/all of conan-center-index. To build the package: conan create ."""

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.files import copy, get
from conan.tools.gnu import Autotools, AutotoolsToolchain, PkgConfigDeps


class CnncConan(ConanFile):
    name = "cnnc"
    version = "@VERSION@"
    description = "A compiler from convolutional nets to C without dependencies, and its runtime libcnn"
    license = ("Apache-2.0", "MIT-0")
    url = homepage = "@URL@"
    package_type = "static-library"
    settings = "os", "arch", "compiler", "build_type"
    requires = (
        "expat/[>=2.5 <3]",
        "jansson/[>=2.14 <3]",
        "libjpeg-turbo/[>=3 <4]",
        "libpng/[>=1.6 <2]",
        "libwebp/[>=1.3 <2]",
        "zlib/[>=1.2 <2]",
    )
    tool_requires = ("pkgconf/[>=2 <3]",)

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("the sources build only on Linux")

    def source(self):
        get(self, "@URL@", sha256="@SHA256@", strip_root=True)

    def generate(self):
        toolchain = AutotoolsToolchain(self)
        toolchain.configure_args += ["CLANG=clang", "MPICC=no", "--disable-shared"]
        toolchain.generate()
        PkgConfigDeps(self).generate()

    def build(self):
        autotools = Autotools(self)
        autotools.configure()
        autotools.make()

    def package(self):
        Autotools(self).install()
        copy(self, "*.txt", f"{self.source_folder}/LICENSES", f"{self.package_folder}/licenses")

    def package_info(self):
        self.cpp_info.libs = ["cnn"]
        self.cpp_info.system_libs = ["m", "pthread"]
