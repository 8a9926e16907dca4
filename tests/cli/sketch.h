/* sketch.h: an Arduino in a program of C++: one round of a sketch, what it prints. The includer has declared
 * Printer, Serial, micros and delay. */
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
void setup();
void loop();
Printer Serial;
void Printer::begin(unsigned long) {}
void Printer::print(int number) { std::printf("%d", number); }
void Printer::print(unsigned long number) { std::printf("%lu", number); }
void Printer::print(const char *text) { std::printf("%s", text); }
void Printer::println(float number, int digits) {
  std::printf("%.*f\n", digits, static_cast<double>(number));
}
void Printer::println(const char *text) { std::printf("%s\n", text); }
unsigned long micros() { return 7; }
void delay(unsigned long) {}
int main() { return setup(), loop(), 0; }
