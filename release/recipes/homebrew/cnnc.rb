# Homebrew formula, for Linux: copy it to Formula/cnnc.rb of a tap, then run brew install TAP/cnnc.
class Cnnc < Formula
  desc "Compiler from convolutional nets to C without dependencies"
  homepage "@URL@"
  url "@URL@"
  sha256 "@SHA256@"
  license all_of: ["Apache-2.0", "MIT-0"]

  depends_on "llvm" => :build
  depends_on "pkgconf" => :build
  depends_on "expat"
  depends_on "jansson"
  depends_on "jpeg-turbo"
  depends_on "libpng"
  depends_on "webp"
  depends_on "zlib"

  def install
    system "./configure", "--prefix=#{prefix}", "CLANG=clang", "MPICC=no"
    system "make"
    system "make", "install"
  end

  test do
    system bin/"cnnc", "new", "digits"
    system bin/"cnnc", "digits/digits.cnn", "-o", "digits.c"
    assert_match "_infer", File.read("digits.c")
  end
end
