/* unicode.c: UTF-8 decoding and composed characters (NFC). */
// SPDX-License-Identifier: MIT-0
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700
#endif
#include "hosted/base/unicode.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

enum { CHARACTERS_END = 0x110000 };

/* ---- UTF-8 */

/* Returns the character at *at and advances *at. If the text is not UTF-8 at *at, returns CHARACTERS_END and
 * does not advance. */
static uint32_t next(const unsigned char **at, const unsigned char *end) {
  static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
  const unsigned char *from = *at;
  const uint32_t first = *from;
  const int more = first < 0x80 ? 0 : first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  uint32_t character = more ? first & (0x3FU >> more) : first;
  if (first >= 0xF8 || (first >= 0x80 && first < 0xC0) || end - from <= more) return CHARACTERS_END;
  for (int i = 1; i <= more; i++) {
    if ((from[i] & 0xC0) != 0x80) return CHARACTERS_END;
    character = character << 6 | (from[i] & 0x3FU);
  }
  const bool surrogate = character >= 0xD800 && character < 0xE000;
  if (character < least[more] || character >= CHARACTERS_END || surrogate) return CHARACTERS_END;
  *at = from + more + 1;
  return character;
}

static char *put(char *at, uint32_t character) {
  static const uint32_t head[] = {0, 0xC0, 0xE0, 0xF0};
  const int more = character < 0x80 ? 0 : character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
  *at++ = (char)(head[more] | character >> (6 * more));
  for (int i = more - 1; i >= 0; i--) *at++ = (char)(0x80 | (character >> (6 * i) & 0x3F));
  return at;
}

size_t cnn_utf8_length(const unsigned char *bytes, size_t n) {
  const unsigned char *at = bytes, *const end = bytes + n;
  while (at < end && next(&at, end) != CHARACTERS_END) continue;
  return (size_t)(at - bytes);
}

bool cnn_text_plain(const char *text, size_t n) {
  const unsigned char *at = (const unsigned char *)text, *const end = at + n;
  while (at < end) {
    const uint32_t character = next(&at, end);
    if (character == CHARACTERS_END || character < ' ' || (character >= 0x7F && character < 0xA0))
      return false;
  }
  return true;
}

/* ---- composition of letters and marks */

typedef struct Mark {
  uint32_t mark;
  const char *pairs; /* pairs of a letter and the same letter with the mark */
} Mark;

/* The compositions of Unicode for Latin, modern Greek, Cyrillic and Japanese. */
static const Mark marks[] = {
    {0x0300, "AÀEÈIÌOÒUÙaàeèiìoòuùÜǛüǜNǸnǹЕЀИЍеѐиѝĒḔēḕŌṐōṑWẀwẁÂẦâầĂẰăằÊỀêềÔỒôồƠỜơờƯỪưừYỲyỳ"},
    {0x0301, "AÁEÉIÍOÓUÚYÝaáeéiíoóuúyýCĆcćLĹlĺNŃnńRŔrŕSŚsśZŹzźÜǗüǘGǴgǵÅǺåǻÆǼæǽØǾøǿ¨΅ΑΆΕΈΗΉΙΊΟΌΥΎΩΏϊΐαά"
             "εέηήιίϋΰοόυύωώϒϓГЃКЌгѓкќÇḈçḉĒḖēḗÏḮïḯKḰkḱMḾmḿÕṌõṍŌṒōṓPṔpṕŨṸũṹWẂwẃÂẤâấĂẮăắÊẾêếÔỐôốƠỚơớƯỨưứ"},
    {0x0302, "AÂEÊIÎOÔUÛaâeêiîoôuûCĈcĉGĜgĝHĤhĥJĴjĵSŜsŝWŴwŵYŶyŷZẐzẑẠẬạậẸỆẹệỌỘọộ"},
    {0x0303, "AÃNÑOÕaãnñoõIĨiĩUŨuũVṼvṽÂẪâẫĂẴăẵEẼeẽÊỄêễÔỖôỗƠỠơỡƯỮưữYỸyỹ"},
    {0x0304, "AĀaāEĒeēIĪiīOŌoōUŪuūÜǕüǖÄǞäǟȦǠȧǡÆǢæǣǪǬǫǭÖȪöȫÕȬõȭȮȰȯȱYȲyȳИӢиӣУӮуӯGḠgḡḶḸḷḹṚṜṛṝ"},
    {0x0306, "AĂaăEĔeĕGĞgğIĬiĭOŎoŏUŬuŭУЎИЙийуўЖӁжӂАӐаӑЕӖеӗȨḜȩḝẠẶạặ"},
    {0x0307, "CĊcċEĖeėGĠgġIİZŻzżAȦaȧOȮoȯBḂbḃDḊdḋFḞfḟHḢhḣMṀmṁNṄnṅPṖpṗRṘrṙSṠsṡŚṤśṥŠṦšṧṢṨṣṩTṪtṫWẆwẇXẊxẋYẎ"
             "yẏſẛ"},
    {0x0308, "AÄEËIÏOÖUÜaäeëiïoöuüyÿYŸΙΪΥΫιϊυϋϒϔЕЁІЇеёіїАӒаӓӘӚәӛЖӜжӝЗӞзӟИӤиӥОӦоӧӨӪөӫЭӬэӭУӰуӱЧӴчӵЫӸыӹHḦ"
             "hḧÕṎõṏŪṺūṻWẄwẅXẌxẍtẗ"},
    {0x0309, "AẢaảÂẨâẩĂẲăẳEẺeẻÊỂêểIỈiỉOỎoỏÔỔôổƠỞơởUỦuủƯỬưửYỶyỷ"},
    {0x030a, "AÅaåUŮuůwẘyẙ"},
    {0x030b, "OŐoőUŰuűУӲуӳ"},
    {0x030c, "CČcčDĎdďEĚeěLĽlľNŇnňRŘrřSŠsšTŤtťZŽzžAǍaǎIǏiǐOǑoǒUǓuǔÜǙüǚGǦgǧKǨkǩƷǮʒǯjǰHȞhȟ"},
    {0x030f, "AȀaȁEȄeȅIȈiȉOȌoȍRȐrȑUȔuȕѴѶѵѷ"},
    {0x0311, "AȂaȃEȆeȇIȊiȋOȎoȏRȒrȓUȖuȗ"},
    {0x031b, "OƠoơUƯuư"},
    {0x0323, "BḄbḅDḌdḍHḤhḥKḲkḳLḶlḷMṂmṃNṆnṇRṚrṛSṢsṣTṬtṭVṾvṿWẈwẉZẒzẓAẠaạEẸeẹIỊiịOỌoọƠỢơợUỤuụƯỰưựYỴyỵ"},
    {0x0324, "UṲuṳ"},
    {0x0325, "AḀaḁ"},
    {0x0326, "SȘsșTȚtț"},
    {0x0327, "CÇcçGĢgģKĶkķLĻlļNŅnņRŖrŗSŞsşTŢtţEȨeȩDḐdḑHḨhḩ"},
    {0x0328, "AĄaąEĘeęIĮiįUŲuųOǪoǫ"},
    {0x032d, "DḒdḓEḘeḙLḼlḽNṊnṋTṰtṱUṶuṷ"},
    {0x032e, "HḪhḫ"},
    {0x0330, "EḚeḛIḬiḭUṴuṵ"},
    {0x0331, "BḆbḇDḎdḏKḴkḵLḺlḻNṈnṉRṞrṟTṮtṯZẔzẕhẖ"},
    {0x3099, "かがきぎくぐけげこごさざしじすずせぜそぞただちぢつづてでとどはばひびふぶへべほぼうゔゝゞ"
             "カガキギクグケゲコゴサザシジスズセゼソゾタダチヂツヅテデトドハバヒビフブヘベホボウヴワヷ"
             "ヰヸヱヹヲヺヽヾ"},
    {0x309a, "はぱひぴふぷへぺほぽハパヒピフプヘペホポ"},
};

/* Unicode orders Korean syllables by their first consonant, then by their vowel, then by their last
 * consonant. */
static uint32_t syllable(uint32_t letter, uint32_t mark) {
  enum {
    FIRST = 0x1100,
    FIRSTS = 19,
    VOWEL = 0x1161,
    VOWELS = 21,
    LAST = 0x11A7,
    LASTS = 28,
    SYLLABLE = 0xAC00
  };
  const bool first = letter >= FIRST && letter < FIRST + FIRSTS;
  if (first && mark >= VOWEL && mark < VOWEL + VOWELS)
    return SYLLABLE + ((letter - FIRST) * VOWELS + mark - VOWEL) * LASTS;
  const bool open =
      letter >= SYLLABLE && letter < SYLLABLE + FIRSTS * VOWELS * LASTS && (letter - SYLLABLE) % LASTS == 0;
  return open && mark > LAST && mark < LAST + LASTS ? letter + mark - LAST : 0;
}

/* The composed character of a letter and a mark; 0: there is none. */
static uint32_t compose(uint32_t letter, uint32_t mark) {
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
    if (marks[i].mark != mark) continue;
    const unsigned char *at = (const unsigned char *)marks[i].pairs, *const end = at + strlen(marks[i].pairs);
    while (at < end) {
      const uint32_t bare = next(&at, end), composed = next(&at, end);
      if (bare == letter) return composed;
    }
  }
  return syllable(letter, mark);
}

char *cnn_composed(const char *name) {
  const size_t n = strlen(name);
  const unsigned char *at = (const unsigned char *)name, *const end = at + n;
  char *text = malloc(n + 1), *out = text;
  if (!text) return NULL;
  if (cnn_utf8_length(at, n) < n)
    return memcpy(text, name, n + 1); /* text that is not UTF-8 stays unchanged */
  uint32_t letter = at < end ? next(&at, end) : 0;
  while (at < end) {
    const uint32_t follows = next(&at, end), both = compose(letter, follows);
    if (!both) out = put(out, letter);
    letter = both ? both : follows;
  }
  if (n > 0) out = put(out, letter);
  *out = 0;
  return text;
}

/* ---- Names */

static bool plain(const char *name) {
  while (*name && (unsigned char)*name < 0x80) name++;
  return !*name;
}

static uint32_t small(uint32_t character, locale_t utf8) {
  if (character < 0x80 || !utf8) return character >= 'A' && character <= 'Z' ? character + 32 : character;
  return (uint32_t)towlower_l((wint_t)character, utf8);
}

static bool same_letters(const char *a, const char *b) {
  const unsigned char *p = (const unsigned char *)a, *q = (const unsigned char *)b;
  const unsigned char *const p_end = p + strlen(a), *const q_end = q + strlen(b);
  const locale_t utf8 = plain(a) && plain(b) ? (locale_t)0 : newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
  bool same = true;
  while (same && p < p_end && q < q_end) {
    const uint32_t x = next(&p, p_end), y = next(&q, q_end);
    same = x != CHARACTERS_END && y != CHARACTERS_END && small(x, utf8) == small(y, utf8);
  }
  if (utf8) freelocale(utf8);
  return same && p == p_end && q == q_end;
}

cnn_likeness cnn_names_compare(const char *a, const char *b) {
  if (strcmp(a, b) == 0) return CNN_SAME_NAME;
  if (plain(a) && plain(b)) return same_letters(a, b) ? CNN_SAME_LETTERS : CNN_OTHER_NAME;
  char *const x = cnn_composed(a), *const y = cnn_composed(b);
  const bool same = x && y && strcmp(x, y) == 0, letters = x && y && same_letters(x, y);
  free(x);
  free(y);
  return same ? CNN_SAME_NAME : letters ? CNN_SAME_LETTERS : CNN_OTHER_NAME;
}
