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
#include <limits.h>
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
#include "lfunc.h"
#include "lopcodes.h"
#include "lparser.h"
#include "llex.h"
#include "ltable.h"
#include <math.h>
#include "lunette_image.h"

/* Work that instruction counting does not see is charged here; `left` below zero: the budget is spent. */
struct lunette_meter {
  int64_t left;
  int64_t step_cost;  /* what one step of the pattern matcher costs */
  int64_t weak_keys;  /* entries of tables with weak keys that may still be treated as such */
};

/* What Rust needs of this side; handed over when a state asks for its seed. */
struct lunette_build {
  uint32_t revision;
  struct lunette_meter **(*meter)(void);
  void (*allow_hooks)(lua_State *L);
  void (*instances)(lua_State *L);
  struct lunette_meter *idle;
  void (*walk)(lua_State *L, struct lunette_walk *w);
  void (*hidden)(const lua_State *yielded, const void *table, const void **found);
  int (*countdown)(const lua_State *L);
};

extern unsigned int lunette_seed (lua_State *L, const struct lunette_build *build);
extern unsigned int lunette_pivot (lua_State *L);
extern unsigned int lunette_foreign (const void *p);
extern void lunette_error (lua_State *L);
extern void lunette_cut (lua_State *L);  /* raises the error that says that the budget is spent */

__attribute__((weak)) struct lunette_meter lunette_idle = {INT64_MAX, 1, INT64_MAX};
/* The meter of the state that runs on this thread. Weak: every C file defines it, the linker keeps one. */
__attribute__((weak, tls_model("initial-exec")))
__thread struct lunette_meter *lunette_meter = &lunette_idle;

static inline struct lunette_meter **lunette_meter_slot (void) {
  return &lunette_meter;
}

static inline void lunette_allow_hooks (lua_State *L) {
  L->allowhook = 1;
}

/* Instructions until the count hook runs next. */
static inline int lunette_countdown (const lua_State *L) {
  return L->hookcount;
}

/*
** Puts in place of the table at the top of the stack an array of all tables whose metatable it is, in
** the order in which they were made: the collector's list of objects has the newest first. To be
** called right after a full collection, with the collector stopped: what is on the list is alive, and
** the list stays as it is.
*/
static inline void lunette_instances (lua_State *L) {
  const Table *wanted = hvalue(s2v(L->top.p - 1));
  lua_Integer count = 0;
  GCObject *o;
  for (o = G(L)->allgc; o != NULL; o = o->next) {
    if (o->tt == LUA_VTABLE && gco2t(o)->metatable == wanted)
      count++;
  }
  lua_createtable(L, (count < INT_MAX) ? (int)count : 0, 0);
  for (o = G(L)->allgc; o != NULL && count > 0; o = o->next) {
    if (o->tt == LUA_VTABLE && gco2t(o)->metatable == wanted) {
      lua_pushnil(L);
      sethvalue(L, s2v(L->top.p - 1), gco2t(o));
      lua_rawseti(L, -2, count--);
    }
  }
  lua_replace(L, -2);
}

#define lunette_charge(n)	((void)(lunette_meter->left -= (int64_t)(n)))

/* The length of a text, up to `n` (strnlen is newer than the standard Lua asks for). */
#define lunette_length(s,n)  \
  (__extension__ ({ const char *end_ = (const char *)memchr(s, 0, n);  \
                    end_ ? (size_t)(end_ - (s)) : (size_t)(n); }))

/* True in the named file only; folded away by the compiler. */
#define LUNETTE_IN(file)	(__builtin_strstr(__BASE_FILE__, file) != NULL)


/*
** {==================================================================
** Seeds and addresses
** ===================================================================
*/

static const struct lunette_build lunette_build __attribute__((unused)) =
  {LUNETTE_LUA_REVISION, lunette_meter_slot, lunette_allow_hooks, lunette_instances, &lunette_idle,
   lunette_walk, lunette_hidden, lunette_countdown};

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
  lunette_charge(40);
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
/* A call, and a return, passes one in ldo.c: C functions may call each other without an instruction. */
static inline int lunette_called (void) {
  lunette_charge(1);
  return 0;
}
#undef l_unlikely
#define l_unlikely(x)  \
  luai_unlikely((x) || (LUNETTE_IN("lstrlib.c") && lunette_step())  \
                    || (LUNETTE_IN("ldo.c") && lunette_called()))

/* `next`, rehash and border search pass this for each slot they look at. */
static inline int lunette_tick (void) {
  lunette_charge(1);
  return 1;
}
#undef isempty
#define isempty(v)	((!LUNETTE_IN("ltable.c") || lunette_tick()) && ttisnil(v))

/* A step along a chain of colliding keys. */
static inline int *lunette_hop (int *next) {
  lunette_charge(1);
  return next;
}
#undef gnext
#define gnext(n)	(*(LUNETTE_IN("ltable.c") ? lunette_hop(&(n)->u.next) : &(n)->u.next))

/* A step along the list of open upvalues. */
#undef uplevel
#define uplevel(up)	(lunette_charge(1), cast(StkId, (up)->v.p))

/* Finding the name of a value in an error goes through the instructions before it. */
#undef GET_OPCODE
#define GET_OPCODE(i)  \
  ((void)(LUNETTE_IN("ldebug.c") && lunette_tick()),  \
   cast(OpCode, ((i)>>POS_OP) & MASK1(SIZE_OP,0)))

/* The compiler goes through its lists of jumps. */
#undef GETARG_sJ
#define GETARG_sJ(i)  \
  ((void)(LUNETTE_IN("lcode.c") && lunette_tick()), getarg(i, POS_sJ, SIZE_sJ) - OFFSET_sJ)

/* The remainder of floats is found bit by bit of what their exponents differ by. */
static inline double lunette_fmod (double a, double b) {
  int ea, eb;
  if (a != 0 && b != 0 && a - a == 0 && b - b == 0) {
    (void)frexp(a, &ea);
    (void)frexp(b, &eb);
    if (ea - eb >= 32)
      lunette_charge((ea - eb) / 16);
  }
  return (fmod)(a, b);
}
#define fmod(a,b)	lunette_fmod(a, b)

/*
** Tables with weak keys whose values are objects take the square of their entries to collect, in one
** go that nothing can cut: past a number of entries in an event they are treated as strong.
*/
static inline int lunette_may_be_weak (const Table *h, const char *mode) {
  size_t size = sizenode(h), i;
  if ((strchr)(mode, 'v') != NULL)
    return 1;
  for (i = 0; i < size; i++) {
    if (iscollectable(gval(gnode(h, i)))) {
      lunette_meter->weak_keys -= (int64_t)size;
      return lunette_meter->weak_keys >= 0;
    }
  }
  return 1;
}
/* Errors are told with the first line of their chunk, which is looked for in all of it. */
static inline const char *lunette_seek (const char *text, int c) {
  const char *found = (strchr)(text, c);
  size_t n = (found != NULL) ? (size_t)(found - text) : strlen(text);
  lunette_charge(n / 32);
  return found;
}
static inline const char *lunette_weak (const Table *h, const char *mode, int c) {
  const char *found = (strchr)(mode, c);
  return (found != NULL && c == 'k' && !lunette_may_be_weak(h, mode)) ? NULL : found;
}
/* lgc.c asks this of the mode of its table `h`, for 'k' and for 'v'; elsewhere there is no such table. */
static const Table *const h __attribute__((unused)) = NULL;
#define strchr(s,c)  \
  (LUNETTE_IN("lgc.c") ? lunette_weak(h, s, c)  \
   : LUNETTE_IN("lobject.c") ? lunette_seek(s, c) : (const char *)(strchr)(s, c))

/*
** Functions of Lua with something put before them: callers in other files get the inline version,
** which goes on to the real one by its assembler name (as glibc does for _FORTIFY_SOURCE).
*/
#define LUNETTE_BEFORE	extern inline __attribute__((gnu_inline, always_inline))

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
  lunette_charge((n >= 8) ? n : n / 4);
  return lunette_real_str2num(s, o);
}

/* A userdata of a library is written in part only: what was in its memory before must not get out. */
extern void *lunette_real_newuserdatauv (lua_State *L, size_t size, int nuvalue)
  __asm__("lua_newuserdatauv");
LUNETTE_BEFORE void *lua_newuserdatauv (lua_State *L, size_t size, int nuvalue) {
  return memset(lunette_real_newuserdatauv(L, size, nuvalue), 0, size);
}

/* What goes round and round in C comes by one of these, and is cut here. */
extern int lunette_real_geti (lua_State *L, int idx, lua_Integer n) __asm__("lua_geti");
LUNETTE_BEFORE int lua_geti (lua_State *L, int idx, lua_Integer n) {
  lunette_charge(1);
  if (lunette_meter->left < 0)
    lunette_cut(L);
  return lunette_real_geti(L, idx, n);
}

extern void lunette_real_next_token (LexState *ls) __asm__("luaX_next");
static __attribute__((noinline, unused)) void lunette_token (LexState *ls) {
  int token = ls->t.token;
  lunette_charge(1);
  if (token == TK_NAME) {  /* looked for among the names in scope */
    const FuncState *fs = ls->fs;
    int names = 0;
    for (; fs != NULL; fs = fs->prev)
      names += fs->nactvar + fs->nups + 4;
    lunette_charge(names / 4);
  }
  else if (token == TK_DBCOLON || token == TK_GOTO || token == TK_END)
    lunette_charge((ls->dyd->label.n + ls->dyd->gt.n) / 2);
  if (lunette_meter->left < 0)
    lunette_cut(ls->L);
}
LUNETTE_BEFORE void luaX_next (LexState *ls) {
  lunette_token(ls);
  lunette_real_next_token(ls);
}

/* A chain of callable tables puts one argument more before all others at each of them. */
extern const TValue *lunette_real_gettmbyobj (lua_State *L, const TValue *o, TMS event)
  __asm__("luaT_gettmbyobj");
LUNETTE_BEFORE const TValue *luaT_gettmbyobj (lua_State *L, const TValue *o, TMS event) {
  if (LUNETTE_IN("ldo.c")) {
    lunette_charge(2 + (L->top.p - L->ci->func.p) / 8);
    if (lunette_meter->left < 0)
      lunette_cut(L);
  }
  return lunette_real_gettmbyobj(L, o, event);
}

/* A chain of __index tables passes this at each of them. */
extern const TValue *lunette_real_gettm (Table *events, TMS event, TString *name)
  __asm__("luaT_gettm");
LUNETTE_BEFORE const TValue *luaT_gettm (Table *events, TMS event, TString *name) {
  if (LUNETTE_IN("lvm.c"))
    lunette_charge(1);
  return lunette_real_gettm(events, event, name);
}

extern unsigned int lunette_real_hashlongstr (TString *ts) __asm__("luaS_hashlongstr");
LUNETTE_BEFORE unsigned int luaS_hashlongstr (TString *ts) {
  if (ts->extra == 0)
    lunette_charge(ts->u.lnglen / 16);
  return lunette_real_hashlongstr(ts);
}

/* Levels of the stack are counted from the top. */
extern int lunette_real_getstack (lua_State *L, int level, lua_Debug *ar)
  __asm__("lua_getstack");
LUNETTE_BEFORE int lua_getstack (lua_State *L, int level, lua_Debug *ar) {
  if (level > 0)
    lunette_charge(level / 4);
  return lunette_real_getstack(L, level, ar);
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
