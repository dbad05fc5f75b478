/*
** Forced into every C file of the build (.cargo/config.toml, -include): what Lua decides by address,
** clock or locale, it decides here by the state's own seed and by offsets inside the state's arena.
** The other end of every hook is src/lua/determinism.rs. CFLAGS reach the C files of any crate, so
** all of this is for files of the Lua 5.4 tree only.
*/
#ifndef LUNETTE_LUA_H
#define LUNETTE_LUA_H

#if defined(LUA_COMPAT_5_3) && defined(__has_include)
#if __has_include("lstate.h") && __has_include("lopcodes.h")
#define LUNETTE_IS_LUA
#endif
#endif

#if defined(LUNETTE_IS_LUA)

/* The same C code in debug and release builds. */
#undef LUA_USE_APICHECK

#include "lprefix.h"
#if !defined(LUA_CORE)
#define LUA_CORE
#endif
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "lua.h"
#include "llimits.h"
#include "lobject.h"
#include "lstate.h"
#include "lstring.h"
#include "ldebug.h"
#include "ltm.h"

/* Work that instruction counting does not see is charged here; `left` below zero: the budget is spent. */
struct lunette_meter {
  int64_t left;
  int64_t step_cost;  /* what one step of the pattern matcher costs */
};

/* What Rust needs of this side; handed over when a state asks for its seed. */
struct lunette_build {
  uint32_t revision;
  struct lunette_meter **(*meter)(void);
  void (*allow_hooks)(lua_State *L);
  struct lunette_meter *idle;
};

extern unsigned int lunette_seed (lua_State *L, const struct lunette_build *build);
extern unsigned int lunette_pivot (lua_State *L);
extern unsigned int lunette_foreign (const void *p);
extern void lunette_error (lua_State *L);

__attribute__((weak)) struct lunette_meter lunette_idle = {INT64_MAX, 1};
/* The meter of the state that runs on this thread. Weak: every C file defines it, the linker keeps one. */
__attribute__((weak, tls_model("initial-exec")))
__thread struct lunette_meter *lunette_meter = &lunette_idle;

static inline struct lunette_meter **lunette_meter_slot (void) {
  return &lunette_meter;
}

static inline void lunette_allow_hooks (lua_State *L) {
  L->allowhook = 1;
}

#define lunette_charge(n)	((void)(lunette_meter->left -= (int64_t)(n)))

/* The length of a text, up to `n` (strnlen is newer than the standard Lua asks for). */
#define lunette_length(s,n)  \
  (__extension__ ({ const char *end_ = (const char *)memchr(s, 0, n);  \
                    end_ ? (size_t)(end_ - (s)) : (size_t)(n); }))

/* True in the named file only; folded away by the compiler. */
#define LUNETTE_IN(file)	(__builtin_strstr(__FILE__, file) != NULL)


/*
** {==================================================================
** Seeds and addresses
** ===================================================================
*/

static const struct lunette_build lunette_build __attribute__((unused)) =
  {LUNETTE_LUA_REVISION, lunette_meter_slot, lunette_allow_hooks, &lunette_idle};

#undef luai_makeseed
#define luai_makeseed(L)	lunette_seed(L, &lunette_build)

/* `L` is a parameter of the function that uses this macro. */
#undef l_randomizePivot
#define l_randomizePivot()	lunette_pivot(L)

/* As in src/lua/arena.rs: a terabyte for each class, from 1 MiB windows upwards. */
#define LUNETTE_SPACE	((uintptr_t)0x200000000000)
#define LUNETTE_SPAN	((uintptr_t)0xb0000000000)
#define LUNETTE_CLASS_BITS	20

/* A number for a pointer: its offset in its arena; else what Rust knows it by. */
static inline unsigned int lunette_point (const void *p) {
#if UINTPTR_MAX > 0xffffffffu
  uintptr_t d = (uintptr_t)p - LUNETTE_SPACE;
  if (d < LUNETTE_SPAN) {
    uintptr_t size = (uintptr_t)1 << (LUNETTE_CLASS_BITS + (d >> 40));
    return (unsigned int)((uintptr_t)p & (size - 1));
  }
#endif
  return lunette_foreign(p);
}

/* luaS_new caches strings by the address of the C text; here by its first bytes. */
static inline unsigned int lunette_text_slot (const void *p) {
  const unsigned char *s = (const unsigned char *)p;
  unsigned int h = 0;
  int i;
  for (i = 0; i < 8 && s[i] != '\0'; i++)
    h = h * 31 + s[i];
  return h;
}

#undef point2uint
#define point2uint(p)  \
  (_Generic((p), const char *: lunette_text_slot, char *: lunette_text_slot,  \
                 default: lunette_point)((const void *)(p)))

#undef lua_pointer2str
#define lua_pointer2str(buff,sz,p)  \
  l_sprintf(buff, sz, "0x%08x", lunette_point(p))

/* }================================================================== */


/*
** {==================================================================
** Text: numbers as in Lua 5.1, no locale, clear messages
** ===================================================================
*/

#undef lua_getlocaledecpoint
#define lua_getlocaledecpoint()		'.'

/* Integers without snprintf, which takes ten times as long. */
static inline int lunette_integer2str (char *buff, long long n) {
  char digits[24];
  unsigned long long u = (n < 0) ? 0ull - (unsigned long long)n : (unsigned long long)n;
  int count = 0, len = 0;
  do {
    digits[count++] = (char)('0' + u % 10);
    u /= 10;
  } while (u != 0);
  if (n < 0)
    buff[len++] = '-';
  while (count > 0)
    buff[len++] = digits[--count];
  buff[len] = '\0';
  return len;
}

#undef lua_integer2str
#define lua_integer2str(s,sz,n)	((void)(sz), lunette_integer2str(s, n))

static inline int lunette_number2str (char *buff, size_t size, double n) {
  if (n > -1e14 && n < 1e14 && n != 0 && (double)(long long)n == n)
    return lunette_integer2str(buff, (long long)n);  /* as "%.14g" writes it */
  if (n != n) {  /* the sign of a NaN is the processor's whim */
    memcpy(buff, "nan", 4);
    return 3;
  }
  return snprintf(buff, size, "%.14g", n);
}

#undef lua_number2str
#define lua_number2str(s,sz,n)	lunette_number2str(s, sz, n)

/* lobject.c asks with this set whether to append ".0"; the answer is no. */
#define strspn(s,set)  \
  (__builtin_strcmp(set, "-0123456789") == 0 ? (size_t)0 : (strspn)(s, set))

#undef MEMERRMSG
#define MEMERRMSG	"not enough memory: this session used up its Lua memory"

/* lauxlib.c has a literal of its own for this. */
#undef lua_pushliteral
#define lua_pushliteral(L,s)  \
  lua_pushstring(L, __builtin_strcmp("" s, "not enough memory") == 0 ? MEMERRMSG : "" s)

/* }================================================================== */


/*
** {==================================================================
** C loops that the instruction count does not see
** ===================================================================
*/

static inline int lunette_memcmp (const void *a, const void *b, size_t n) {
  if (n >= 64)
    lunette_charge(n / 64);
  return (memcmp)(a, b, n);
}
#define memcmp(a,b,n)	lunette_memcmp(a, b, n)

static inline int lunette_strcoll (const char *a, const char *b) {
  size_t step = 256;
  for (;;) {
    int r = strncmp(a, b, step);
    if (r != 0 || lunette_length(a, step) < step)
      return r;
    lunette_charge(step / 64);
    a += step;
    b += step;
    if (step < 65536)
      step *= 2;
  }
}
#define strcoll(a,b)	lunette_strcoll(a, b)

/* The pattern matcher passes an `l_unlikely` in every call of itself: a step. */
static inline int lunette_step (void) {
  return (lunette_meter->left -= lunette_meter->step_cost) < 0;
}
#undef l_unlikely
#define l_unlikely(x)  \
  luai_unlikely((x) || (LUNETTE_IN("lstrlib.c") && lunette_step()))

/* `next`, rehash and border search pass this for each slot they look at. */
static inline int lunette_tick (void) {
  lunette_charge(1);
  return 1;
}
#undef isempty
#define isempty(v)	((!LUNETTE_IN("ltable.c") || lunette_tick()) && ttisnil(v))

/*
** Functions of Lua with something put before them: callers in other files get the inline version,
** which goes on to the real one by its assembler name (as glibc does for _FORTIFY_SOURCE).
*/
#define LUNETTE_BEFORE	extern inline __attribute__((gnu_inline))

extern int lunette_real_traceexec (lua_State *L, const Instruction *pc)
  __asm__("luaG_traceexec");
LUNETTE_BEFORE int luaG_traceexec (lua_State *L, const Instruction *pc) {
  if (L->hookmask == LUA_MASKCOUNT && L->hookcount > 1) {
    if (l_likely(lunette_meter->left >= 0)) {
      L->hookcount--;
      return 1;
    }
    L->hookcount = 1;  /* spent: cut at this instruction */
  }
  return lunette_real_traceexec(L, pc);
}

extern void lunette_real_getvarargs (lua_State *L, CallInfo *ci, StkId where, int wanted)
  __asm__("luaT_getvarargs");
LUNETTE_BEFORE void luaT_getvarargs (lua_State *L, CallInfo *ci, StkId where, int wanted) {
  int n = (wanted < 0) ? ci->u.l.nextraargs : wanted;
  if (n >= 16)
    lunette_charge((size_t)n / 4);
  lunette_real_getvarargs(L, ci, where, wanted);
}

extern size_t lunette_real_str2num (const char *s, TValue *o) __asm__("luaO_str2num");
LUNETTE_BEFORE size_t luaO_str2num (const char *s, TValue *o) {
  size_t n = lunette_length(s, 512);
  if (n == 512)
    return 0;  /* not a number: no numeral is that long */
  if (n >= 64)
    lunette_charge(n / 2);
  return lunette_real_str2num(s, o);
}

/* Where a library function wants a whole number, a fraction is cut off, as in Lua 5.1. */
extern lua_Integer lunette_real_checkinteger (lua_State *L, int arg)
  __asm__("luaL_checkinteger");
LUNETTE_BEFORE lua_Integer luaL_checkinteger (lua_State *L, int arg) {
  int is_number;
  lua_Integer i = lua_tointegerx(L, arg, &is_number);
  if (!is_number) {
    lua_Number n = lua_tonumberx(L, arg, &is_number);
    if (!is_number || !(n > -9.2e18 && n < 9.2e18))
      return lunette_real_checkinteger(L, arg);  /* which says what is wrong */
    i = (lua_Integer)n;
  }
  return i;
}
LUNETTE_BEFORE lua_Integer luaL_optinteger (lua_State *L, int arg, lua_Integer def) {
  return lua_isnoneornil(L, arg) ? def : luaL_checkinteger(L, arg);
}

/* Any error of a C library function after the budget is spent says so. */
extern int lunette_real_error (lua_State *L) __asm__("lua_error");
LUNETTE_BEFORE int lua_error (lua_State *L) {
  if (lunette_meter->left < 0)
    lunette_error(L);
  return lunette_real_error(L);
}

/* }================================================================== */

#endif  /* LUNETTE_IS_LUA */
#endif
