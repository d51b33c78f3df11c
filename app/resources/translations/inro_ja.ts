<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ja_JP">
<context>
    <name>AccuracyPlot</name>
    <message>
        <source>right answers, %</source>
        <translation>正答率（%）</translation>
    </message>
    <message>
        <source>By guessing: {share}</source>
        <translation>当てずっぽうの場合：{share}</translation>
    </message>
</context>
<context>
    <name>AccuracyView</name>
    <message>
        <source>How well does a model answer here?</source>
        <translation>このPCで、モデルはどのくらい正しく答えるか</translation>
    </message>
    <message>
        <source>Ask a model the built-in questions, or those of a benchmark that you have as files, and see how many it answers rightly, with the interval that so few questions allow. None of these numbers says anything about fitness for clinical use.</source>
        <translation>内蔵の問題、またはお手元にあるベンチマークのファイルの問題をモデルに解かせ、正答率を、問題数に応じた信頼区間とともに示します。いずれの数値も、臨床で使えるかどうかを示すものではありません。</translation>
    </message>
    <message>
        <source>Runs</source>
        <translation>実行の一覧</translation>
    </message>
    <message>
        <source>Right answers by category</source>
        <translation>分野別の正答</translation>
    </message>
    <message>
        <source>Resume</source>
        <translation>再開</translation>
    </message>
    <message>
        <source>Delete this run</source>
        <translation>この実行を削除</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>モデル</translation>
    </message>
    <message>
        <source>Questions</source>
        <translation>問題</translation>
    </message>
    <message>
        <source>Language</source>
        <translation>言語</translation>
    </message>
    <message>
        <source>Accuracy (95 % interval)</source>
        <translation>正答率（95 %信頼区間）</translation>
    </message>
    <message>
        <source>Asked</source>
        <translation>解答数</translation>
    </message>
    <message>
        <source>State</source>
        <translation>状態</translation>
    </message>
    <message>
        <source>Begun</source>
        <translation>開始</translation>
    </message>
    <message>
        <source>Questions of the training show that the parts work together, not medical ability. The parts are never added up; in the list stand facts that are asked in other words than those of the training.</source>
        <translation>学習に使った問題の正答率は、学習から推論までの各部が正しく働いていることを示すもので、医学の能力は示しません。区分どうしは合計しません。一覧には、学習とは別の言い方で知識を問うた区分の値を載せています。</translation>
    </message>
    <message>
        <source>Prohibited options chosen in {chosen} of {items} questions that have one.</source>
        <translation>禁忌肢のある{items}問のうち、{chosen}問で禁忌肢を選びました。</translation>
    </message>
    <message>
        <source>{count} questions without a usable answer; they count as wrong.</source>
        <translation>答えを読み取れなかった問題：{count}問（誤答として数えています）</translation>
    </message>
    <message>
        <source>Model file: SHA-256 {hash}…</source>
        <translation>モデルファイルのSHA-256：{hash}…</translation>
    </message>
    <message>
        <source>Accuracy by category (95 % interval)</source>
        <translation>分野別の正答率（95 %信頼区間）</translation>
    </message>
    <message>
        <source>Is its confidence right?</source>
        <translation>確信度は当たっているか</translation>
    </message>
    <message>
        <source>Is its confidence right? Mean gap {points} points</source>
        <translation>確信度は当たっているか（平均のずれ {points}ポイント）</translation>
    </message>
    <message>
        <source>Category</source>
        <translation>分野</translation>
    </message>
    <message>
        <source>Right</source>
        <translation>正答</translation>
    </message>
    <message>
        <source>Accuracy</source>
        <translation>正答率</translation>
    </message>
    <message>
        <source>95 % interval</source>
        <translation>95 %信頼区間</translation>
    </message>
    <message>
        <source>All runs of these questions: {task}, {language}</source>
        <translation>この問題の実行すべて：{task}、{language}</translation>
    </message>
</context>
<context>
    <name>AdministratorPanel</name>
    <message>
        <source>Administrator</source>
        <translation>管理者</translation>
    </message>
    <message>
        <source>Signed in · locks in {minutes} min</source>
        <translation>サインイン中・あと {minutes} 分でロック</translation>
    </message>
    <message>
        <source>Not signed in</source>
        <translation>サインインしていません</translation>
    </message>
    <message>
        <source>Sign in…</source>
        <translation>サインイン…</translation>
    </message>
    <message>
        <source>Lock now</source>
        <translation>今すぐロック</translation>
    </message>
    <message>
        <source>Change PIN…</source>
        <translation>PIN を変更…</translation>
    </message>
</context>
<context>
    <name>AnswerView</name>
    <message>
        <source>Copied</source>
        <translation>コピーしました</translation>
    </message>
    <message>
        <source>Answer</source>
        <translation>回答</translation>
    </message>
    <message>
        <source>Copy</source>
        <translation>コピー</translation>
    </message>
    <message>
        <source>Copy the answer</source>
        <translation>回答をコピー</translation>
    </message>
    <message>
        <source>Ask again</source>
        <translation>もう一度質問</translation>
    </message>
    <message>
        <source>Reading the question: {done} of {total} tokens</source>
        <translation>質問を読み込み中：{done} / {total} トークン</translation>
    </message>
    <message>
        <source>1 token</source>
        <translation>1 トークン</translation>
    </message>
    <message>
        <source>{count} tokens</source>
        <translation>{count} トークン</translation>
    </message>
    <message>
        <source>{speed} tok/s</source>
        <translation>{speed} トークン/秒</translation>
    </message>
    <message>
        <source>complete</source>
        <translation>完了</translation>
    </message>
    <message>
        <source>stopped</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>not finished</source>
        <translation>中断</translation>
    </message>
    <message>
        <source>cut off at its length limit</source>
        <translation>長さの上限で終了</translation>
    </message>
</context>
<context>
    <name>AskPage</name>
    <message>
        <source>For reference only. Decisions on diagnosis and prescription are the physician&apos;s, after checking primary sources.</source>
        <translation>参考情報です。診断・処方の判断は、一次資料を確認のうえ医師が行ってください。</translation>
    </message>
    <message>
        <source>Demonstration model: not for clinical use. It knows only a small set of textbook facts, and what it answers to any other question can be wrong.</source>
        <translation>デモ用モデルです。臨床では使用しないでください。収録済みの限られた教科書的事項のほかは、誤った回答をすることがあります。</translation>
    </message>
    <message>
        <source>Conversation</source>
        <translation>やり取り</translation>
    </message>
    <message>
        <source>New question</source>
        <translation>新しい質問</translation>
    </message>
    <message>
        <source>The question could not be saved, so it was not asked. Make room on the disk and try again.</source>
        <translation>質問を保存できなかったため、送信していません。ディスクの空き容量を確保して、もう一度送信してください。</translation>
    </message>
    <message>
        <source>The history could not be read or written. What was saved before is kept.</source>
        <translation>履歴の読み書きができませんでした。保存済みの内容は失われていません。</translation>
    </message>
    <message>
        <source>Details: {message}</source>
        <translation>詳細：{message}</translation>
    </message>
    <message>
        <source>The maker of this model stood by it until {day}. Tell your administrator.</source>
        <translation>このモデルの有効期限（{day}）が過ぎています。管理者に連絡してください。</translation>
    </message>
    <message>
        <source>This model has not passed a scoring: nobody has shown how often it is right.</source>
        <translation>このモデルは評価に合格していません。正答率は確認されていません。</translation>
    </message>
    <message>
        <source>You can write already. The engine is starting.</source>
        <translation>エンジンを起動しています。入力は始められます。</translation>
    </message>
    <message>
        <source>You can write already. The model is loading: {percent} %</source>
        <translation>モデルを読み込んでいます（{percent} %）。入力は始められます。</translation>
    </message>
    <message>
        <source>No model is loaded. The reason is shown above.</source>
        <translation>モデルが読み込まれていません。理由は上に表示しています。</translation>
    </message>
</context>
<context>
    <name>Benchmark</name>
    <message>
        <source>Built-in questions</source>
        <translation>内蔵の問題</translation>
    </message>
    <message>
        <source>Own questions</source>
        <translation>独自の問題</translation>
    </message>
    <message>
        <source>Built-in questions (demonstration, 392 short ones)</source>
        <translation>内蔵の問題（動作確認用の短い問題392問）</translation>
    </message>
    <message>
        <source>Own questions (JSON Lines)</source>
        <translation>独自の問題（JSON Lines形式）</translation>
    </message>
    <message>
        <source>IgakuQA: Japanese medical licensing examination, 2018–2022</source>
        <translation>IgakuQA：医師国家試験（2018〜2022年）</translation>
    </message>
    <message>
        <source>YakugakuQA: Japanese pharmacists&apos; examination, 2012–2024</source>
        <translation>YakugakuQA：薬剤師国家試験（2012〜2024年）</translation>
    </message>
    <message>
        <source>JMMLU: medical subjects</source>
        <translation>JMMLU：医学系の科目</translation>
    </message>
    <message>
        <source>MMLU: medical subjects</source>
        <translation>MMLU：医学系の科目</translation>
    </message>
    <message>
        <source>Probability of the letters</source>
        <translation>選択肢の記号の確率で採点</translation>
    </message>
    <message>
        <source>Probability of the options&apos; texts</source>
        <translation>選択肢の文の確率で採点</translation>
    </message>
    <message>
        <source>Written answers</source>
        <translation>生成した文から答えを読み取って採点</translation>
    </message>
    <message>
        <source>Japanese</source>
        <translation>日本語</translation>
    </message>
    <message>
        <source>English</source>
        <translation>英語</translation>
    </message>
    <message>
        <source>Facts, words of the training</source>
        <translation>知識（学習時の言い方）</translation>
    </message>
    <message>
        <source>Facts, in other words</source>
        <translation>知識（別の言い方）</translation>
    </message>
    <message>
        <source>Choices of the training</source>
        <translation>選択問題（学習に使用）</translation>
    </message>
    <message>
        <source>Choices not in the training</source>
        <translation>選択問題（学習に不使用）</translation>
    </message>
    <message>
        <source>Without a category</source>
        <translation>分野なし</translation>
    </message>
    <message>
        <source>{count} s</source>
        <translation>{count}秒</translation>
    </message>
    <message>
        <source>{count} min</source>
        <translation>{count}分</translation>
    </message>
    <message>
        <source>{hours} h {minutes} min</source>
        <translation>{hours}時間{minutes}分</translation>
    </message>
    <message>
        <source>running</source>
        <translation>実行中</translation>
    </message>
    <message>
        <source>damaged</source>
        <translation>破損</translation>
    </message>
    <message>
        <source>finished</source>
        <translation>完了</translation>
    </message>
    <message>
        <source>not begun</source>
        <translation>未開始</translation>
    </message>
    <message>
        <source>paused at {done} of {total}</source>
        <translation>{total}問中{done}問で中断</translation>
    </message>
    <message>
        <source>not on this PC any more</source>
        <translation>このPCにはもうありません</translation>
    </message>
    <message>
        <source>demonstration model</source>
        <translation>動作確認用モデル</translation>
    </message>
    <message>
        <source>no verdict before its release</source>
        <translation>公開前の判定なし</translation>
    </message>
    <message>
        <source>did not pass its scoring</source>
        <translation>公開前の採点で不合格</translation>
    </message>
    <message>
        <source>Reading the questions and checking the model…</source>
        <translation>問題を読み込み、モデルを確認しています…</translation>
    </message>
    <message>
        <source>Reading the file…</source>
        <translation>ファイルを読み込んでいます…</translation>
    </message>
    <message>
        <source>Loading the model…</source>
        <translation>モデルを読み込んでいます…</translation>
    </message>
    <message>
        <source>Checking whether questions can be asked together…</source>
        <translation>問題をまとめて解かせられるか確認しています…</translation>
    </message>
    <message>
        <source>Measuring: {done} of {total}</source>
        <translation>測定中：{total}回中{done}回</translation>
    </message>
    <message>
        <source>{done} of {total} questions</source>
        <translation>{total}問中{done}問</translation>
    </message>
    <message>
        <source>{count} questions/s</source>
        <translation>{count}問/秒</translation>
    </message>
    <message>
        <source>about {time} left</source>
        <translation>残り約{time}</translation>
    </message>
    <message>
        <source>The questions cannot be used. Choose the folder that holds the files of the benchmark, in the form in which they are published.</source>
        <translation>問題を読み込めません。配布されている形のままのベンチマークのファイルが入ったフォルダーを選択してください。</translation>
    </message>
    <message>
        <source>The model cannot be asked: it was removed or changed, is not approved, or takes no questions. Its results are kept.</source>
        <translation>モデルに問題を解かせることができません。削除または変更されたか、承認されていないか、質問に対応していないモデルです。これまでの結果は残っています。</translation>
    </message>
    <message>
        <source>What is kept of this run cannot be continued. Begin a new run.</source>
        <translation>保存されたこの実行は続けられません。新しい実行を始めてください。</translation>
    </message>
    <message>
        <source>This could not be done.</source>
        <translation>操作を完了できませんでした。</translation>
    </message>
    <message>
        <source>Details: {message}</source>
        <translation>詳細：{message}</translation>
    </message>
    <message>
        <source>There is nothing to compare: no question is in both runs.</source>
        <translation>両方の実行に共通する問題がないため、比較できません。</translation>
    </message>
    <message>
        <source>No difference shown between A and B</source>
        <translation>AとBの差は示されませんでした</translation>
    </message>
    <message>
        <source>{better} is better: {points} points {interval}, {p}</source>
        <translation>{better}の方が高い：{points}ポイント {interval}、{p}</translation>
    </message>
    <message>
        <source>{n} questions: A {a}, B {b}; difference {difference} points (95 % interval), McNemar {p}.</source>
        <translation>{n}問：A {a}、B {b}。差 {difference}ポイント（95 %信頼区間）、マクネマー検定 {p}。</translation>
    </message>
    <message>
        <source>Of “{part}” alone: the parts are never added up.</source>
        <translation>「{part}」のみの比較です（区分どうしは合計しません）。</translation>
    </message>
    <message>
        <source>So few questions were answered differently that no difference could have shown.</source>
        <translation>正誤が分かれた問題が少ないため、差があっても示せません。</translation>
    </message>
    <message>
        <source>A true difference under {points} points would probably not have been seen.</source>
        <translation>実際の差が{points}ポイントに満たない場合、この問題数ではおそらく検出できません。</translation>
    </message>
    <message>
        <source>{count} questions that are not in both runs are left out.</source>
        <translation>一方の実行にしかない{count}問は除いています。</translation>
    </message>
    <message>
        <source>, </source>
        <translation>、</translation>
    </message>
    <message>
        <source>Nothing that is recorded of the runs differs.</source>
        <translation>記録されている範囲で、実行の条件に違いはありません。</translation>
    </message>
    <message>
        <source>Only this differs: {what}.</source>
        <translation>違いは{what}だけです。</translation>
    </message>
    <message>
        <source>Several things differ ({what}): which of them makes a difference cannot be said.</source>
        <translation>複数の条件が異なります（{what}）。どれが結果を分けたかはわかりません。</translation>
    </message>
    <message>
        <source>the model</source>
        <translation>モデル</translation>
    </message>
    <message>
        <source>the engine</source>
        <translation>エンジン</translation>
    </message>
    <message>
        <source>the language</source>
        <translation>言語</translation>
    </message>
    <message>
        <source>the questions</source>
        <translation>問題</translation>
    </message>
    <message>
        <source>the way of scoring</source>
        <translation>採点方法</translation>
    </message>
    <message>
        <source>the wording</source>
        <translation>問い方</translation>
    </message>
    <message>
        <source>whether questions were asked together</source>
        <translation>まとめて解かせたかどうか</translation>
    </message>
</context>
<context>
    <name>BenchmarkPage</name>
    <message>
        <source>Benchmark</source>
        <translation>ベンチマーク</translation>
    </message>
    <message>
        <source>Accuracy</source>
        <translation>正答率</translation>
    </message>
    <message>
        <source>Speed</source>
        <translation>速度</translation>
    </message>
    <message>
        <source>Compare</source>
        <translation>比較</translation>
    </message>
    <message>
        <source>Export…</source>
        <translation>書き出す…</translation>
    </message>
    <message>
        <source>Web page (HTML)…</source>
        <translation>Webページ（HTML）…</translation>
    </message>
    <message>
        <source>Table (CSV)…</source>
        <translation>表（CSV）…</translation>
    </message>
    <message>
        <source>Document (PDF)…</source>
        <translation>文書（PDF）…</translation>
    </message>
    <message>
        <source>Export</source>
        <translation>書き出し</translation>
    </message>
    <message>
        <source>{file} is there already: choose another name.</source>
        <translation>{file}はすでにあります。別の名前を指定してください。</translation>
    </message>
    <message>
        <source>Written: {file}</source>
        <translation>{file}に書き出しました</translation>
    </message>
    <message>
        <source>Measure now</source>
        <translation>測定する</translation>
    </message>
    <message>
        <source>New run</source>
        <translation>新しい実行</translation>
    </message>
</context>
<context>
    <name>CompareView</name>
    <message>
        <source>A</source>
        <translation>A</translation>
    </message>
    <message>
        <source>B</source>
        <translation>B</translation>
    </message>
    <message>
        <source>Two runs of the same questions can be compared: of two models, of two quantizations of one, or of one model in both languages. Make a second run under “Accuracy” first.</source>
        <translation>同じ問題の実行を2つ選んで比較できます（2つのモデル、同じモデルの2種類の量子化、同じモデルの日本語と英語など）。先に「正答率」でもう1つ実行してください。</translation>
    </message>
    <message>
        <source>Comparison by category</source>
        <translation>分野別の比較</translation>
    </message>
    <message>
        <source>Questions that one run alone answered rightly</source>
        <translation>一方だけが正答した問題</translation>
    </message>
    <message>
        <source>Prohibited options chosen: A {a}, B {b} of {n} questions that have one; {p}.</source>
        <translation>禁忌肢のある{n}問のうち、禁忌肢を選んだのは A {a}問、B {b}問（{p}）。</translation>
    </message>
    <message>
        <source>Accuracy by category (95 % interval)</source>
        <translation>分野別の正答率（95 %信頼区間）</translation>
    </message>
    <message>
        <source>Category</source>
        <translation>分野</translation>
    </message>
    <message>
        <source>Questions</source>
        <translation>問題数</translation>
    </message>
    <message>
        <source>A right</source>
        <translation>Aの正答率</translation>
    </message>
    <message>
        <source>B right</source>
        <translation>Bの正答率</translation>
    </message>
    <message>
        <source>A − B, points [95 %]</source>
        <translation>A − B（ポイント）[95 %]</translation>
    </message>
    <message>
        <source>p (Holm)</source>
        <translation>p（Holm補正）</translation>
    </message>
    <message>
        <source>Verdict</source>
        <translation>判定</translation>
    </message>
    <message>
        <source>A better</source>
        <translation>Aの方が高い</translation>
    </message>
    <message>
        <source>B better</source>
        <translation>Bの方が高い</translation>
    </message>
    <message>
        <source>no difference shown</source>
        <translation>差は示されず</translation>
    </message>
    <message>
        <source>Answered rightly by one alone: A {a}, B {b}</source>
        <translation>一方だけが正答した問題：A {a}問、B {b}問</translation>
    </message>
    <message>
        <source>Right</source>
        <translation>正答した側</translation>
    </message>
    <message>
        <source>Question</source>
        <translation>問題文</translation>
    </message>
    <message>
        <source>Answer</source>
        <translation>正答</translation>
    </message>
    <message>
        <source>A chose</source>
        <translation>Aの答え</translation>
    </message>
    <message>
        <source>B chose</source>
        <translation>Bの答え</translation>
    </message>
    <message>
        <source>no usable answer</source>
        <translation>読み取れる答えなし</translation>
    </message>
    <message>
        <source>Right answer: {text}</source>
        <translation>正答：{text}</translation>
    </message>
    <message>
        <source>A: {text}</source>
        <translation>A：{text}</translation>
    </message>
    <message>
        <source>B: {text}</source>
        <translation>B：{text}</translation>
    </message>
</context>
<context>
    <name>Composer</name>
    <message>
        <source>Write a question</source>
        <translation>質問を入力</translation>
    </message>
    <message>
        <source>Question</source>
        <translation>質問</translation>
    </message>
    <message>
        <source>Send</source>
        <translation>送信</translation>
    </message>
    <message>
        <source>Send the question</source>
        <translation>質問を送信</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Stop the answer</source>
        <translation>回答を停止</translation>
    </message>
    <message>
        <source>A question has at most {count} characters.</source>
        <translation>質問は {count} 文字以内で入力してください。</translation>
    </message>
    <message>
        <source>Enter sends, Shift+Enter breaks the line</source>
        <translation>Enter で送信、Shift+Enter で改行</translation>
    </message>
    <message>
        <source>Answering… Esc stops.</source>
        <translation>回答中です。Esc で停止します。</translation>
    </message>
</context>
<context>
    <name>DeedForm</name>
    <message>
        <source>Approve {model}</source>
        <translation>{model} を承認</translation>
    </message>
    <message>
        <source>Approve</source>
        <translation>承認する</translation>
    </message>
    <message>
        <source>Clinicians can then choose it, with this manifest and this version of the engine. The file is read once more and compared with its manifest.</source>
        <translation>承認すると、現在のマニフェストとエンジンのバージョンに限り、医療者がこのモデルを選択できるようになります。承認時にファイル全体を読み直し、マニフェストと照合します。</translation>
    </message>
    <message>
        <source>Withdraw the approval of {model}</source>
        <translation>{model} の承認を取り消す</translation>
    </message>
    <message>
        <source>Withdraw</source>
        <translation>承認を取り消す</translation>
    </message>
    <message>
        <source>It can no longer be chosen. A window that has it loaded keeps it until it is closed; the next start refuses it.</source>
        <translation>このモデルは選択できなくなります。読み込み済みのウィンドウでは閉じるまで動作し、次回の起動から使用できなくなります。</translation>
    </message>
    <message>
        <source>Remove {model}</source>
        <translation>{model} を削除</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>削除する</translation>
    </message>
    <message>
        <source>Its files are deleted from this PC. What was recorded of it stays.</source>
        <translation>この PC からモデルのファイルを削除します。操作の記録は残ります。</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>キャンセル</translation>
    </message>
    <message>
        <source>Reason (kept in the record)</source>
        <translation>理由（記録に残ります）</translation>
    </message>
    <message>
        <source>Administrator&apos;s PIN, for this once</source>
        <translation>管理者の PIN（この操作にのみ使用）</translation>
    </message>
    <message>
        <source>Reading the file</source>
        <translation>ファイルの読み込み</translation>
    </message>
    <message>
        <source>A reason has at most {count} characters.</source>
        <translation>理由は {count} 文字以内で入力してください。</translation>
    </message>
    <message>
        <source>Reading the file: {done} of {total}</source>
        <translation>ファイルを読み込んでいます：{done} / {total}</translation>
    </message>
</context>
<context>
    <name>EmptyState</name>
    <message>
        <source>What would you like to know?</source>
        <translation>何をお調べですか？</translation>
    </message>
    <message>
        <source>The loaded model can answer these questions, among others:</source>
        <translation>使用中のモデルは、次のような質問に答えられます。</translation>
    </message>
</context>
<context>
    <name>EngineNotice</name>
    <message>
        <source>Restart</source>
        <translation>再起動</translation>
    </message>
    <message>
        <source>Details: {message}</source>
        <translation>詳細：{message}</translation>
    </message>
    <message>
        <source>Starting the engine…</source>
        <translation>エンジンを起動しています…</translation>
    </message>
    <message>
        <source>Loading {model}: {percent} %</source>
        <translation>{model} を読み込んでいます：{percent} %</translation>
    </message>
    <message>
        <source>the model</source>
        <translation>モデル</translation>
    </message>
</context>
<context>
    <name>Facts</name>
    <message>
        <source>Copy all</source>
        <translation>すべてコピー</translation>
    </message>
    <message>
        <source>What is known of the model</source>
        <translation>モデルの情報</translation>
    </message>
    <message>
        <source>Architecture</source>
        <translation>アーキテクチャ</translation>
    </message>
    <message>
        <source>{architecture}, {parameters} parameters</source>
        <translation>{architecture}（パラメーター数 {parameters}）</translation>
    </message>
    <message>
        <source>Tokenizer</source>
        <translation>トークナイザー</translation>
    </message>
    <message>
        <source>{tokenizer}, {count} tokens</source>
        <translation>{tokenizer}（語彙 {count}）</translation>
    </message>
    <message>
        <source>Chat template</source>
        <translation>チャットテンプレート</translation>
    </message>
    <message>
        <source>none in the file</source>
        <translation>ファイルに含まれていません</translation>
    </message>
    <message>
        <source>in the file</source>
        <translation>ファイルに含まれています</translation>
    </message>
    <message>
        <source>Context</source>
        <translation>コンテキスト長</translation>
    </message>
    <message>
        <source>{count} tokens</source>
        <translation>{count} トークン</translation>
    </message>
    <message>
        <source>{count} tokens: {need} GB</source>
        <translation>{count} トークン：{need} GB</translation>
    </message>
    <message>
        <source> (does not fit)</source>
        <translation>（不足）</translation>
    </message>
    <message>
        <source>{contexts} ({free} GB are free)</source>
        <translation>{contexts}（空き {free} GB）</translation>
    </message>
    <message>
        <source>Memory by context</source>
        <translation>必要なメモリ</translation>
    </message>
    <message>
        <source>Types of the weights</source>
        <translation>重みの型</translation>
    </message>
    <message>
        <source>SHA-256 of the template</source>
        <translation>テンプレートの SHA-256</translation>
    </message>
    <message>
        <source>none: nobody says what the file is, where it came from or how it scored</source>
        <translation>なし（内容、出所、評価結果を確認できません）</translation>
    </message>
    <message>
        <source>Manifest</source>
        <translation>マニフェスト</translation>
    </message>
    <message>
        <source>Base model</source>
        <translation>ベースモデル</translation>
    </message>
    <message>
        <source>Made from</source>
        <translation>作成元</translation>
    </message>
    <message>
        <source>Made with</source>
        <translation>作成環境</translation>
    </message>
    <message>
        <source>Recipe</source>
        <translation>作成方法</translation>
    </message>
    <message>
        <source>Licence</source>
        <translation>ライセンス</translation>
    </message>
    <message>
        <source>Intended use</source>
        <translation>使用目的</translation>
    </message>
    <message>
        <source>Last day of use</source>
        <translation>有効期限</translation>
    </message>
    <message>
        <source>Reason given</source>
        <translation>記録された理由</translation>
    </message>
    <message>
        <source>State</source>
        <translation>状態</translation>
    </message>
    <message>
        <source>Accuracy on this PC</source>
        <translation>このPCでの正答率</translation>
    </message>
    <message>
        <source>{written} tokens/s of an answer, {read} tokens/s of the prompt, with {threads} threads ({day})</source>
        <translation>書く速さ {written}トークン/秒、読む速さ {read}トークン/秒（{threads}スレッド、{day}）</translation>
    </message>
    <message>
        <source>Speed on this PC</source>
        <translation>このPCでの速度</translation>
    </message>
    <message>
        <source>{questions}, {language}: {accuracy} of {count} ({how}, {day})</source>
        <translation>{questions}、{language}：{count}問中 {accuracy}（{how}、{day}）</translation>
    </message>
    <message>
        <source>Signature</source>
        <translation>署名</translation>
    </message>
    <message>
        <source>by {signer} (key {key}), whom this PC trusts</source>
        <translation>{signer}（鍵 {key}）による署名。この PC で信頼済み</translation>
    </message>
    <message>
        <source>with the key {key}, which this PC does not trust; it claims to be {signer}</source>
        <translation>信頼済みでない鍵 {key} による署名（署名者の表示：{signer}、未確認）</translation>
    </message>
    <message>
        <source>none</source>
        <translation>なし</translation>
    </message>
    <message>
        <source>does not fit: manifest or signature was changed</source>
        <translation>不一致（マニフェストまたは署名が変更されています）</translation>
    </message>
    <message>
        <source>Verdict of the scoring</source>
        <translation>評価の判定</translation>
    </message>
    <message>
        <source>none: the file was not scored</source>
        <translation>なし（評価されていません）</translation>
    </message>
    <message>
        <source>passed</source>
        <translation>合格</translation>
    </message>
    <message>
        <source>not passed</source>
        <translation>不合格</translation>
    </message>
    <message>
        <source>Conditions</source>
        <translation>判定の条件</translation>
    </message>
    <message>
        <source>{count} billion</source>
        <translation>{count}B</translation>
    </message>
    <message>
        <source>{count} million</source>
        <translation>{count}M</translation>
    </message>
    <message>
        <source>{low} to {high} tokens a second from the processor (memory is read at {rate} GB a second)</source>
        <translation>{low}〜{high} トークン/秒（CPU のみ。メモリの読み取り速度 {rate} GB/秒）</translation>
    </message>
    <message>
        <source>Expected speed</source>
        <translation>予想速度</translation>
    </message>
    <message>
        <source>GPU</source>
        <translation>GPU</translation>
    </message>
    <message>
        <source>none that the engine can use</source>
        <translation>エンジンが使用できる GPU はありません</translation>
    </message>
    <message>
        <source>{layers} of {all} layers fit into {gpu}, with a context of {context} tokens</source>
        <translation>全 {all} 層のうち {layers} 層が {gpu} に載ります（コンテキスト {context} トークンの場合）</translation>
    </message>
</context>
<context>
    <name>Failure</name>
    <message>
        <source>Not enough memory: the model needs {needed} GB, and {free} GB are free. Close other programs and try again.</source>
        <translation>メモリが不足しています。モデルには {needed} GB 必要ですが、空きは {free} GB です。ほかのプログラムを終了して、もう一度お試しください。</translation>
    </message>
    <message>
        <source>The engine did not understand the request. Restart it and ask again.</source>
        <translation>エンジンが要求を処理できませんでした。再起動して、もう一度質問してください。</translation>
    </message>
    <message>
        <source>No model is loaded. Restart the engine to load it again.</source>
        <translation>モデルが読み込まれていません。エンジンを再起動すると、もう一度読み込みます。</translation>
    </message>
    <message>
        <source>The model file cannot be used: it is damaged or of an unknown kind. Ask your administrator to import it again.</source>
        <translation>モデルファイルを使用できません。破損しているか、対応していない形式です。管理者に再取り込みを依頼してください。</translation>
    </message>
    <message>
        <source>The engine ended while loading the model file, which may be damaged. Try again; if it happens again, ask your administrator to import the file again.</source>
        <translation>モデルファイルの読み込み中にエンジンが終了しました。ファイルが破損している可能性があります。もう一度試しても解決しない場合は、管理者に再取り込みを依頼してください。</translation>
    </message>
    <message>
        <source>There is no model file. Ask your administrator to import one.</source>
        <translation>モデルファイルがありません。管理者に取り込みを依頼してください。</translation>
    </message>
    <message>
        <source>The model file is not the one that was checked: it was changed or is incomplete. Ask your administrator to import it again.</source>
        <translation>モデルファイルが、確認済みのものと一致しません。変更されたか、不完全です。管理者に再度取り込みを依頼してください。</translation>
    </message>
    <message>
        <source>The chosen model is not approved for use on this PC, or not any more. Ask your administrator to approve it or to choose another one.</source>
        <translation>選択されているモデルは、この PC での使用が承認されていないか、再承認が必要です。管理者に、承認または別のモデルの選択を依頼してください。</translation>
    </message>
    <message>
        <source>There is not enough memory. Close other programs and try again.</source>
        <translation>メモリが不足しています。ほかのプログラムを終了して、もう一度お試しください。</translation>
    </message>
    <message>
        <source>The model file does not say correctly how questions are put to it. Ask your administrator for a corrected file.</source>
        <translation>モデルファイルのチャットテンプレートが正しくありません。管理者に修正済みのファイルを依頼してください。</translation>
    </message>
    <message>
        <source>The question is longer than the model can read. Shorten it, or begin a new question.</source>
        <translation>質問がモデルの扱える長さを超えています。短くするか、新しい質問として入力してください。</translation>
    </message>
    <message>
        <source>The engine could not finish the answer. Ask again.</source>
        <translation>回答を最後まで作成できませんでした。もう一度質問してください。</translation>
    </message>
    <message>
        <source>The answer was stopped.</source>
        <translation>回答を停止しました。</translation>
    </message>
    <message>
        <source>The engine ended unexpectedly. What was written so far is saved. Try again.</source>
        <translation>エンジンが予期せず終了しました。ここまでの内容は保存されています。もう一度お試しください。</translation>
    </message>
    <message>
        <source>The engine no longer responded and was ended. What was written so far is saved. Ask again.</source>
        <translation>エンジンが応答しなくなったため終了しました。ここまでの内容は保存されています。もう一度質問してください。</translation>
    </message>
    <message>
        <source>The engine cannot be started on this PC. Ask your administrator to run “inro doctor”.</source>
        <translation>この PC ではエンジンを起動できません。管理者に「inro doctor」の実行を依頼してください。</translation>
    </message>
</context>
<context>
    <name>History</name>
    <message>
        <source>Today</source>
        <translation>今日</translation>
    </message>
    <message>
        <source>Yesterday</source>
        <translation>昨日</translation>
    </message>
    <message>
        <source>d MMMM yyyy</source>
        <comment>a date as QLocale writes it</comment>
        <translation>yyyy年M月d日</translation>
    </message>
</context>
<context>
    <name>HistoryPlot</name>
    <message>
        <source>run</source>
        <translation>実行</translation>
    </message>
    <message>
        <source>right answers, %</source>
        <translation>正答率（%）</translation>
    </message>
</context>
<context>
    <name>HistoryView</name>
    <message>
        <source>Earlier questions</source>
        <translation>質問の履歴</translation>
    </message>
</context>
<context>
    <name>ImportPanel</name>
    <message>
        <source>Cancelling…</source>
        <translation>キャンセルしています…</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>キャンセル</translation>
    </message>
    <message>
        <source>Progress of the import</source>
        <translation>取り込みの進み具合</translation>
    </message>
    <message>
        <source>Approve…</source>
        <translation>承認…</translation>
    </message>
    <message>
        <source>Use it now</source>
        <translation>このモデルを使う</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>閉じる</translation>
    </message>
    <message>
        <source>Importing {file}</source>
        <translation>取り込み中：{file}</translation>
    </message>
    <message>
        <source>Not imported: {file}</source>
        <translation>取り込めませんでした：{file}</translation>
    </message>
    <message>
        <source>Imported: {file}</source>
        <translation>取り込みました：{file}</translation>
    </message>
    <message>
        <source>Refused: {step}</source>
        <translation>不合格：{step}</translation>
    </message>
    <message>
        <source>Header</source>
        <translation>ヘッダー</translation>
    </message>
    <message>
        <source>✓ Header: {architecture}</source>
        <translation>✓ ヘッダー：{architecture}</translation>
    </message>
    <message>
        <source>Memory</source>
        <translation>メモリ</translation>
    </message>
    <message>
        <source>✓ Fits: {needed} of {free} GB free</source>
        <translation>✓ メモリ：空き {free} GB 中 {needed} GB</translation>
    </message>
    <message>
        <source>! Needs {needed} GB, {free} GB are free</source>
        <translation>! メモリ不足：{needed} GB 必要（空き {free} GB）</translation>
    </message>
    <message>
        <source>✓ Copied, SHA-256</source>
        <translation>✓ コピー・SHA-256</translation>
    </message>
    <message>
        <source>Copy, SHA-256</source>
        <translation>コピー・SHA-256</translation>
    </message>
    <message>
        <source>● Copying {done} of {total}</source>
        <translation>● コピー中 {done} / {total}</translation>
    </message>
    <message>
        <source>Manifest, signature</source>
        <translation>マニフェスト・署名</translation>
    </message>
    <message>
        <source>! No manifest</source>
        <translation>! マニフェストなし</translation>
    </message>
    <message>
        <source>✓ Signed by {signer}</source>
        <translation>✓ 署名：{signer}</translation>
    </message>
    <message>
        <source>! Signed with an unknown key</source>
        <translation>! 未知の鍵による署名</translation>
    </message>
    <message>
        <source>! Not signed</source>
        <translation>! 署名なし</translation>
    </message>
    <message>
        <source>✓ Trial passed</source>
        <translation>✓ 動作確認に合格</translation>
    </message>
    <message>
        <source>Trial</source>
        <translation>動作確認</translation>
    </message>
    <message>
        <source>● Trial, step {done} of {steps}</source>
        <translation>● 動作確認 {done} / {steps}</translation>
    </message>
    <message>
        <source>✓ Approved</source>
        <translation>✓ 承認済み</translation>
    </message>
    <message>
        <source>● Waits for approval</source>
        <translation>● 承認待ち</translation>
    </message>
    <message>
        <source>Approval</source>
        <translation>承認</translation>
    </message>
</context>
<context>
    <name>KeyOffer</name>
    <message>
        <source>{signer} · key {key}
Compare this key with the one that the signer tells you by telephone or letter: whoever brought the model could have brought the key.</source>
        <translation>{signer}（鍵 {key}）
この鍵 ID を、署名者から電話や書面で伝えられた値と照合してください。モデルを持ち込んだ者が、鍵も差し替えている可能性があります。</translation>
    </message>
    <message>
        <source>It is the same: trust it</source>
        <translation>一致したので登録する</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>キャンセル</translation>
    </message>
</context>
<context>
    <name>KeyRemoval</name>
    <message>
        <source>No longer trust {signer} (key {key})?</source>
        <translation>{signer}（鍵 {key}）の信頼を解除しますか？</translation>
    </message>
    <message>
        <source>No longer trust it</source>
        <translation>信頼を解除する</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>キャンセル</translation>
    </message>
    <message>
        <source>, </source>
        <translation>、</translation>
    </message>
    <message>
        <source>No approved model was signed with it.</source>
        <translation>この鍵で署名された承認済みのモデルはありません。</translation>
    </message>
    <message>
        <source>1 model must then be approved again: {models}</source>
        <translation>解除すると、次の 1 件のモデルは再承認が必要になります：{models}</translation>
    </message>
    <message>
        <source>{count} models must then be approved again: {models}</source>
        <translation>解除すると、次の {count} 件のモデルは再承認が必要になります：{models}</translation>
    </message>
    <message>
        <source>{model} is in use. A window that has it loaded keeps it until it is closed; the next start refuses it.</source>
        <translation>{model} は使用中です。読み込み済みのウィンドウでは閉じるまで動作し、次回の起動から使用できなくなります。</translation>
    </message>
</context>
<context>
    <name>KeyRow</name>
    <message>
        <source>No longer trust…</source>
        <translation>信頼を解除…</translation>
    </message>
    <message>
        <source>No longer trust {signer}</source>
        <translation>{signer} の信頼を解除</translation>
    </message>
</context>
<context>
    <name>LibraryView</name>
    <message>
        <source>Bring in a model</source>
        <translation>モデルの取り込み</translation>
    </message>
    <message>
        <source>Drop a GGUF file from a stick or a share here, or choose it with “Import a file…”. It is checked, copied and tried before anyone can use it, and then waits for an administrator&apos;s approval.
Signed files only, unless the policy says otherwise: trust the maker&apos;s key first under “Policy and keys”.</source>
        <translation>USB メモリや共有フォルダーの GGUF ファイルをここにドロップするか、「ファイルを取り込む…」で選択してください。検査、コピー、動作確認を行ったうえで、管理者の承認を待ちます。
初期設定では署名付きのファイルだけを承認できます。先に「ポリシーと鍵」で作成者の鍵を信頼済みとして登録してください。</translation>
    </message>
    <message>
        <source>Load it now</source>
        <translation>今すぐ読み込む</translation>
    </message>
    <message>
        <source>1 more model is not approved. An administrator sees it after signing in.</source>
        <translation>ほかに未承認のモデルが 1 件あります。管理者がサインインすると表示されます。</translation>
    </message>
    <message>
        <source>{count} more models are not approved. An administrator sees them after signing in.</source>
        <translation>ほかに未承認のモデルが {count} 件あります。管理者がサインインすると表示されます。</translation>
    </message>
    <message>
        <source>{loaded} is loaded and answers; {chosen} is the model in use from the next start on.</source>
        <translation>現在は {loaded} が読み込まれています。次回の起動からは {chosen} が使用されます。</translation>
    </message>
    <message>
        <source>The models cannot be shown.</source>
        <translation>モデルの一覧を表示できません。</translation>
    </message>
</context>
<context>
    <name>MainWindow</name>
    <message>
        <source>Ask</source>
        <translation>質問</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>モデル</translation>
    </message>
    <message>
        <source>Benchmark</source>
        <translation>ベンチマーク</translation>
    </message>
</context>
<context>
    <name>ModelRows</name>
    <message>
        <source>Model</source>
        <translation>モデル</translation>
    </message>
    <message>
        <source>State</source>
        <translation>状態</translation>
    </message>
    <message>
        <source>Licence</source>
        <translation>ライセンス</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>サイズ</translation>
    </message>
    <message>
        <source>Click to sort by it; by keyboard, Ctrl+↑ or Ctrl+↓ in a cell of the column</source>
        <translation>クリックで並べ替え（キーボードでは、その列のセルで Ctrl+↑ または Ctrl+↓）</translation>
    </message>
    <message>
        <source>Score (%)</source>
        <translation>正答率（%）</translation>
    </message>
    <message>
        <source>Speed here</source>
        <translation>この PC での速度</translation>
    </message>
    <message>
        <source>Actions for {model}</source>
        <translation>{model} の操作</translation>
    </message>
    <message>
        <source>{speed} tok/s</source>
        <translation>{speed} トークン/秒</translation>
    </message>
    <message>
        <source>{task} ({language}): {correct} of {n} right, {low}–{high} % (95 % interval)</source>
        <translation>{task}（{language}）：{n} 問中 {correct} 問正解、95 % 信頼区間 {low}〜{high} %</translation>
    </message>
</context>
<context>
    <name>ModelTable</name>
    <message>
        <source>Models of this PC</source>
        <translation>この PC のモデル</translation>
    </message>
</context>
<context>
    <name>Models</name>
    <message>
        <source>in use</source>
        <translation>使用中</translation>
    </message>
    <message>
        <source>available</source>
        <translation>使用可能</translation>
    </message>
    <message>
        <source>approved</source>
        <translation>承認済み</translation>
    </message>
    <message>
        <source>to be approved again</source>
        <translation>要再承認</translation>
    </message>
    <message>
        <source>approval withdrawn</source>
        <translation>承認取り消し</translation>
    </message>
    <message>
        <source>waiting for approval</source>
        <translation>承認待ち</translation>
    </message>
    <message>
        <source>demonstration</source>
        <translation>デモ用</translation>
    </message>
    <message>
        <source>unsigned</source>
        <translation>署名なし</translation>
    </message>
    <message>
        <source>not scored</source>
        <translation>未評価</translation>
    </message>
    <message>
        <source>expired</source>
        <translation>期限切れ</translation>
    </message>
    <message>
        <source>damaged</source>
        <translation>破損</translation>
    </message>
    <message>
        <source>The approval was withdrawn.</source>
        <translation>承認が取り消されました。</translation>
    </message>
    <message>
        <source>It came with another manifest since it was approved.</source>
        <translation>承認後に、別のマニフェストで取り込まれました。</translation>
    </message>
    <message>
        <source>The engine was updated since it was approved.</source>
        <translation>承認後に、エンジンが更新されました。</translation>
    </message>
    <message>
        <source>The key that its manifest is signed with is no longer trusted.</source>
        <translation>マニフェストの署名に使われた鍵の信頼が解除されました。</translation>
    </message>
    <message>
        <source>The policy now asks for a trusted signature.</source>
        <translation>ポリシーにより、信頼済みの署名が必要になりました。</translation>
    </message>
    <message>
        <source>The PIN is wrong.</source>
        <translation>PIN が違います。</translation>
    </message>
    <message>
        <source>Wrong PINs were given. Wait {seconds} seconds, then try again.</source>
        <translation>誤った PIN が続けて入力されました。{seconds} 秒待ってから、もう一度入力してください。</translation>
    </message>
    <message>
        <source>The model is in use. Choose another one first.</source>
        <translation>このモデルは使用中です。先に別のモデルを選択してください。</translation>
    </message>
    <message>
        <source>The model is not approved for use on this PC.</source>
        <translation>このモデルは、この PC での使用が承認されていません。</translation>
    </message>
    <message>
        <source>Details: {message}</source>
        <translation>詳細：{message}</translation>
    </message>
    <message>
        <source>{shortest} to {longest} characters</source>
        <translation>{shortest}〜{longest} 文字</translation>
    </message>
    <message>
        <source>The file is not a model that this application can use, or it is damaged.</source>
        <translation>このファイルは、本アプリケーションで使用できるモデルではないか、破損しています。</translation>
    </message>
    <message>
        <source>There is not enough space on the disk for this file.</source>
        <translation>ディスクの空き容量が足りません。</translation>
    </message>
    <message>
        <source>The file could not be copied. Is the stick or the share still connected?</source>
        <translation>ファイルをコピーできませんでした。USB メモリや共有フォルダーの接続を確認してください。</translation>
    </message>
    <message>
        <source>The file is not the one that its manifest and signature describe: it was changed.</source>
        <translation>ファイルがマニフェストや署名と一致しません。変更されています。</translation>
    </message>
    <message>
        <source>The model did not pass its trial: it cannot be loaded, or does not answer.</source>
        <translation>動作確認に合格しませんでした。モデルを読み込めないか、正しく回答しません。</translation>
    </message>
    <message>
        <source>The model could not be put into the library.</source>
        <translation>モデルを保存できませんでした。</translation>
    </message>
    <message>
        <source>Nothing of the file is kept.</source>
        <translation>途中のファイルは残っていません。</translation>
    </message>
    <message>
        <source>signature does not fit</source>
        <translation>署名の不一致</translation>
    </message>
    <message>
        <source>failed its scoring</source>
        <translation>評価不合格</translation>
    </message>
    <message>
        <source>It was locked in the meantime; nothing was done.</source>
        <translation>途中でロックされたため、操作は行われませんでした。</translation>
    </message>
    <message>
        <source>It was cancelled; nothing was changed.</source>
        <translation>キャンセルしました。何も変更されていません。</translation>
    </message>
    <message>
        <source>There is no space left on the disk.</source>
        <translation>ディスクの空き容量がありません。</translation>
    </message>
    <message>
        <source>This could not be done.</source>
        <translation>操作を完了できませんでした。</translation>
    </message>
    <message>
        <source>The import was cancelled.</source>
        <translation>取り込みをキャンセルしました。</translation>
    </message>
    <message>
        <source>The manifest beside the file is damaged, or none that this version knows.</source>
        <translation>マニフェストが破損しているか、このバージョンで読み取れない形式です。</translation>
    </message>
    <message>
        <source>It is not clear which file is the model. Choose one GGUF file, or drop the folder of one model.</source>
        <translation>どのファイルがモデルか判断できません。GGUF ファイルを 1 つ選択するか、モデル 1 件のフォルダーをドロップしてください。</translation>
    </message>
    <message>
        <source>The file is not there any more. Is the stick or the share still connected?</source>
        <translation>ファイルが見つかりません。USB メモリや共有フォルダーの接続を確認してください。</translation>
    </message>
    <message>
        <source>This PC could not be compared with what the model needs.</source>
        <translation>モデルに必要なメモリと、この PC のメモリを比較できませんでした。</translation>
    </message>
    <message>
        <source>The copy of the file could not be checked.</source>
        <translation>コピーしたファイルを検査できませんでした。</translation>
    </message>
    <message>
        <source>about {seconds} s left</source>
        <translation>残り約 {seconds} 秒</translation>
    </message>
    <message>
        <source>about {minutes} min left</source>
        <translation>残り約 {minutes} 分</translation>
    </message>
    <message>
        <source>The record of this installation begins, on {computer}</source>
        <translation>この環境の記録を開始（コンピューター名：{computer}）</translation>
    </message>
    <message>
        <source>Began this record in place of one that was changed, and is kept: {reason}</source>
        <translation>改変された記録を別に保管し、新しい記録を開始：{reason}</translation>
    </message>
    <message>
        <source>Imported {name}, unsigned</source>
        <translation>{name} を取り込み（署名なし）</translation>
    </message>
    <message>
        <source>Imported {name}, signed with the key {key}</source>
        <translation>{name} を取り込み（鍵 {key} による署名）</translation>
    </message>
    <message>
        <source>Approved {name}: {reason}</source>
        <translation>{name} を承認：{reason}</translation>
    </message>
    <message>
        <source>Withdrew the approval of {name}: {reason}</source>
        <translation>{name} の承認を取り消し：{reason}</translation>
    </message>
    <message>
        <source>Removed {name}: {reason}</source>
        <translation>{name} を削除：{reason}</translation>
    </message>
    <message>
        <source>Switched to {name}</source>
        <translation>{name} に切り替え</translation>
    </message>
    <message>
        <source>Went back to {name}</source>
        <translation>{name} に戻しました</translation>
    </message>
    <message>
        <source>Changed the policy. Unsigned models: {unsigned}. Files named at the start: {named}</source>
        <translation>ポリシーを変更（署名なしのモデル：{unsigned}、起動時に指定したファイル：{named}）</translation>
    </message>
    <message>
        <source>Trusted the key {key} of {name}</source>
        <translation>{name} の鍵 {key} を信頼済みに登録</translation>
    </message>
    <message>
        <source>No longer trusts the key {key} of {name}</source>
        <translation>{name} の鍵 {key} の信頼を解除</translation>
    </message>
    <message>
        <source>Set the administrator&apos;s PIN; the one before was lost</source>
        <translation>管理者の PIN を設定（以前の PIN は失われていました）</translation>
    </message>
    <message>
        <source>Set the administrator&apos;s PIN</source>
        <translation>管理者の PIN を設定</translation>
    </message>
    <message>
        <source>The engine was updated: {engine}</source>
        <translation>エンジンを更新：{engine}</translation>
    </message>
    <message>
        <source>allowed</source>
        <translation>認める</translation>
    </message>
    <message>
        <source>refused</source>
        <translation>認めない</translation>
    </message>
    <message>
        <source>Policy: signed files only</source>
        <translation>ポリシー：署名付きのみ</translation>
    </message>
    <message>
        <source>Policy: unsigned files allowed</source>
        <translation>ポリシー：署名なしも可</translation>
    </message>
    <message>
        <source>The signature does not fit: the manifest or the signature was changed.</source>
        <translation>署名が一致しません。マニフェストまたは署名が変更されています。</translation>
    </message>
    <message>
        <source>The manifest describes another file than this one.</source>
        <translation>マニフェストの内容が、このファイルと一致しません。</translation>
    </message>
    <message>
        <source>The day until which its maker stands by the model is past.</source>
        <translation>モデルの有効期限が過ぎています。</translation>
    </message>
    <message>
        <source>The model is not signed, and the policy of this PC asks for a trusted signature.</source>
        <translation>このモデルには署名がありません。この PC のポリシーでは、信頼済みの鍵による署名が必要です。</translation>
    </message>
    <message>
        <source>The model is signed with a key that this PC does not trust, and the policy asks for a trusted signature.</source>
        <translation>このモデルは、信頼済みでない鍵で署名されています。この PC のポリシーでは、信頼済みの鍵による署名が必要です。</translation>
    </message>
    <message>
        <source>The file is not the one that was imported: it was changed or is incomplete.</source>
        <translation>ファイルが、取り込み時のものと一致しません。変更されているか、不完全です。</translation>
    </message>
    <message>
        <source>The model came with another manifest in the meantime. Look at it again before you approve it.</source>
        <translation>表示中に、別のマニフェストで取り込まれました。内容を確認し直してから承認してください。</translation>
    </message>
</context>
<context>
    <name>ModelsPage</name>
    <message>
        <source>Record of changes</source>
        <translation>操作の記録</translation>
    </message>
    <message>
        <source>Policy and keys</source>
        <translation>ポリシーと鍵</translation>
    </message>
    <message>
        <source>Back to the models</source>
        <translation>モデルの一覧に戻る</translation>
    </message>
    <message>
        <source>Import a file…</source>
        <translation>ファイルを取り込む…</translation>
    </message>
    <message>
        <source>Use</source>
        <translation>使用する</translation>
    </message>
    <message>
        <source>Approve…</source>
        <translation>承認…</translation>
    </message>
    <message>
        <source>Withdraw the approval…</source>
        <translation>承認を取り消す…</translation>
    </message>
    <message>
        <source>Remove…</source>
        <translation>削除…</translation>
    </message>
    <message>
        <source>Copy SHA-256</source>
        <translation>SHA-256 をコピー</translation>
    </message>
    <message>
        <source>Model files (*.gguf);;All files (*)</source>
        <translation>モデルファイル (*.gguf);;すべてのファイル (*)</translation>
    </message>
    <message>
        <source>Import a model file</source>
        <translation>モデルファイルの取り込み</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>モデル</translation>
    </message>
    <message>
        <source>Back to {model}</source>
        <translation>{model} に戻す</translation>
    </message>
</context>
<context>
    <name>OrderForm</name>
    <message>
        <source>New run</source>
        <translation>新しい実行</translation>
    </message>
    <message>
        <source>Every question is asked with the engine that answers in this window. You can go on asking meanwhile: a run waits for questions, can be paused, and goes on after the program was closed.</source>
        <translation>このウィンドウで回答しているのと同じエンジンに、すべての問題を解かせます。実行中も質問できます（質問があると実行は待ちます）。途中で中断でき、プログラムを閉じても続きから再開できます。</translation>
    </message>
    <message>
        <source>Start</source>
        <translation>開始</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>キャンセル</translation>
    </message>
    <message>
        <source>Choose…</source>
        <translation>選択…</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>モデル</translation>
    </message>
    <message>
        <source>Questions</source>
        <translation>問題</translation>
    </message>
    <message>
        <source>Folder with the files of the benchmark</source>
        <translation>ベンチマークのファイルがあるフォルダー</translation>
    </message>
    <message>
        <source>Language of the questions</source>
        <translation>問題の言語</translation>
    </message>
    <message>
        <source>Way of scoring</source>
        <translation>採点方法</translation>
    </message>
    <message>
        <source>Number of questions</source>
        <translation>問題数</translation>
    </message>
    <message>
        <source>All</source>
        <translation>すべて</translation>
    </message>
    <message>
        <source>None chosen yet</source>
        <translation>未選択</translation>
    </message>
    <message>
        <source>There is no model to be asked. Bring one in on the page of models.</source>
        <translation>使えるモデルがありません。「モデル」のページで取り込んでください。</translation>
    </message>
    <message>
        <source>Choose the folder that holds the files of the benchmark.</source>
        <translation>ベンチマークのファイルがあるフォルダーを選択してください。</translation>
    </message>
    <message>
        <source>Choose a language.</source>
        <translation>言語を選択してください。</translation>
    </message>
</context>
<context>
    <name>PlotCard</name>
    <message>
        <source>As text</source>
        <translation>文字で表示</translation>
    </message>
</context>
<context>
    <name>PolicyView</name>
    <message>
        <source>Sign in as administrator to change anything here.</source>
        <translation>変更するには、管理者としてサインインしてください。</translation>
    </message>
    <message>
        <source>Policy</source>
        <translation>ポリシー</translation>
    </message>
    <message>
        <source>Models without a trusted signature may be approved</source>
        <translation>信頼済みの署名がないモデルの承認を認める</translation>
    </message>
    <message>
        <source>They are marked “unsigned”. Taken back, such models must be approved again.</source>
        <translation>該当するモデルには「署名なし」と表示されます。認めない設定に戻すと、再承認が必要になります。</translation>
    </message>
    <message>
        <source>A person may start Inro with a file that nobody approved</source>
        <translation>未承認のファイルを指定した起動を認める</translation>
    </message>
    <message>
        <source>With --model on the command line, for that person and until the program ends.</source>
        <translation>コマンドラインの --model による指定です。起動した本人が、そのプログラムを終了するまで使用できます。</translation>
    </message>
    <message>
        <source>Trusted signers</source>
        <translation>信頼済みの署名者</translation>
    </message>
    <message>
        <source>No key is trusted yet. The maker of a model hands it over as a file named KEY.public.json.</source>
        <translation>信頼済みの鍵はまだありません。モデルの作成者から受け取った公開鍵ファイル（KEY.public.json）を登録してください。</translation>
    </message>
    <message>
        <source>Trust a key…</source>
        <translation>鍵を登録…</translation>
    </message>
    <message>
        <source>The time ran out, and it is locked again; nothing was changed. Sign in, then do it once more.</source>
        <translation>時間が経過したため、ロックされました。何も変更されていません。サインインして、もう一度操作してください。</translation>
    </message>
    <message>
        <source>Public keys (*.public.json)</source>
        <translation>公開鍵 (*.public.json)</translation>
    </message>
    <message>
        <source>Trust a key</source>
        <translation>鍵の登録</translation>
    </message>
    <message>
        <source>This is not the public key file of a signer.</source>
        <translation>署名者の公開鍵ファイルではありません。</translation>
    </message>
</context>
<context>
    <name>QuestionView</name>
    <message>
        <source>Your question</source>
        <translation>あなたの質問</translation>
    </message>
</context>
<context>
    <name>RecordView</name>
    <message>
        <source>Export…</source>
        <translation>書き出す…</translation>
    </message>
    <message>
        <source>Copy last hash</source>
        <translation>最後のハッシュをコピー</translation>
    </message>
    <message>
        <source>Record of changes</source>
        <translation>操作の記録</translation>
    </message>
    <message>
        <source>Changes, gaps, another order and cuts are found. What cannot be found: that someone who may write these files wrote all of them anew. Note the last hash elsewhere, on paper or in another system, and compare it later.</source>
        <translation>行の改変、欠落、並べ替え、切り捨ては検出されます。ただし、このファイルへの書き込み権限を持つ人が記録全体を作り直した場合は検出できません。最後のハッシュを紙や別のシステムに控え、後日照合してください。</translation>
    </message>
    <message>
        <source>Nothing of it is shown.</source>
        <translation>記録の内容は表示されません。</translation>
    </message>
    <message>
        <source>The record cannot be read.</source>
        <translation>記録を読み取れません。</translation>
    </message>
    <message>
        <source>Reading the record…</source>
        <translation>記録を読み込んでいます…</translation>
    </message>
    <message>
        <source>There is no record yet: nothing was done to models on this PC.</source>
        <translation>記録はまだありません。この PC でモデルの操作は行われていません。</translation>
    </message>
    <message>
        <source>The record is sound: {count} lines. Last hash {hash}…</source>
        <translation>記録に異常はありません（{count} 行）。最後のハッシュ {hash}…</translation>
    </message>
    <message>
        <source>The record could not be exported.</source>
        <translation>記録を書き出せませんでした。</translation>
    </message>
    <message>
        <source>The record is not sound.</source>
        <translation>記録に異常があります。</translation>
    </message>
    <message>
        <source>Export the record</source>
        <translation>記録の書き出し</translation>
    </message>
    <message>
        <source>Exported to {file}</source>
        <translation>{file} に書き出しました</translation>
    </message>
</context>
<context>
    <name>ReliabilityPlot</name>
    <message>
        <source>stated probability, %</source>
        <translation>モデルが示した確率（%）</translation>
    </message>
    <message>
        <source>right answers, %</source>
        <translation>正答率（%）</translation>
    </message>
    <message>
        <source>Stated {stated}: right {right}, {n} questions</source>
        <translation>示した確率 {stated}：正答率 {right}、{n}問</translation>
    </message>
    <message>
        <source>Mean gap (ECE): {points} points</source>
        <translation>平均のずれ（ECE）：{points}ポイント</translation>
    </message>
</context>
<context>
    <name>RunList</name>
    <message>
        <source>Runs and measurements</source>
        <translation>実行と測定の一覧</translation>
    </message>
    <message>
        <source>{model} · speed</source>
        <translation>{model} · 速度</translation>
    </message>
</context>
<context>
    <name>RunningCard</name>
    <message>
        <source>{count} more after this</source>
        <translation>このあと{count}件</translation>
    </message>
    <message>
        <source>Pause</source>
        <translation>中断</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>中止</translation>
    </message>
    <message>
        <source>Stopping…</source>
        <translation>停止しています…</translation>
    </message>
    <message>
        <source>Waiting while a question is answered</source>
        <translation>質問に回答しているため、待っています</translation>
    </message>
</context>
<context>
    <name>SideBar</name>
    <message>
        <source>New question</source>
        <translation>新しい質問</translation>
    </message>
    <message>
        <source>Language of the interface</source>
        <translation>表示言語</translation>
    </message>
</context>
<context>
    <name>SignInForm</name>
    <message>
        <source>Choose the administrator&apos;s PIN</source>
        <translation>管理者の PIN を設定</translation>
    </message>
    <message>
        <source>It is asked for when models are approved or removed, and for the policy and trusted keys. It keeps colleagues from doing so in passing; it does not keep out who may write this user&apos;s files.</source>
        <translation>モデルの承認・削除、ポリシーと鍵の変更のときに入力します。管理者以外が不用意に操作することを防ぐためのもので、この利用者のファイルへの書き込み権限を持つ人を防ぐものではありません。</translation>
    </message>
    <message>
        <source>Change the administrator&apos;s PIN</source>
        <translation>管理者の PIN を変更</translation>
    </message>
    <message>
        <source>Sign in as administrator</source>
        <translation>管理者としてサインイン</translation>
    </message>
    <message>
        <source>Signed in, you see models that wait for approval. After 15 minutes without use it locks.</source>
        <translation>サインインすると、承認待ちのモデルが表示されます。15 分間操作がないとロックされます。</translation>
    </message>
    <message>
        <source>Set the PIN</source>
        <translation>PIN を設定</translation>
    </message>
    <message>
        <source>Sign in</source>
        <translation>サインイン</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>キャンセル</translation>
    </message>
    <message>
        <source>PIN</source>
        <translation>PIN</translation>
    </message>
    <message>
        <source>Current PIN</source>
        <translation>現在の PIN</translation>
    </message>
    <message>
        <source>New PIN ({rule})</source>
        <translation>新しい PIN（{rule}）</translation>
    </message>
    <message>
        <source>New PIN, again</source>
        <translation>新しい PIN（確認）</translation>
    </message>
    <message>
        <source>The two new PINs are not the same.</source>
        <translation>2 つの新しい PIN が一致しません。</translation>
    </message>
</context>
<context>
    <name>SpeedPage</name>
    <message>
        <source>Measures the model in use: how fast it reads prompts of several lengths and writes answers, and with how many threads it is fastest. Takes a few minutes; nothing else should run meanwhile. A question in between is answered.</source>
        <translation>使用中のモデルについて、さまざまな長さの質問文を読む速さと回答を書く速さ、最も速いスレッド数を測ります。数分かかります。測定中は、ほかのプログラムを動かさないでください。途中で質問しても回答します。</translation>
    </message>
    <message>
        <source>By the number of threads</source>
        <translation>スレッド数ごとの速度</translation>
    </message>
    <message>
        <source>All measurements on this PC</source>
        <translation>このPCでの測定の一覧</translation>
    </message>
    <message>
        <source>Speed by the length of the prompt</source>
        <translation>質問文の長さごとの速度</translation>
    </message>
    <message>
        <source>Speed by the number of threads</source>
        <translation>スレッド数ごとの速度</translation>
    </message>
    <message>
        <source>Questions are answered with {count} threads</source>
        <translation>{count}スレッドで回答しています</translation>
    </message>
    <message>
        <source>{model}: {speed} tokens/s</source>
        <translation>{model}：{speed}トークン/秒</translation>
    </message>
    <message>
        <source>The first token comes after {time}, behind a prompt of {tokens} tokens.</source>
        <translation>{tokens}トークンの質問文では、最初の文字が出るまで{time}です。</translation>
    </message>
    <message>
        <source>Expected from the memory bandwidth of this PC and the size of the file: {low} to {high}.</source>
        <translation>このPCのメモリ帯域とファイルの大きさから見込まれる速度：{low}〜{high}トークン/秒</translation>
    </message>
    <message>
        <source>Fastest with {best} threads; questions were answered with {used}.</source>
        <translation>{best}スレッドのときが最も速く、測定時の設定は{used}スレッドでした。</translation>
    </message>
    <message>
        <source>No other number of threads is clearly faster than the one in use: {used}.</source>
        <translation>使用中のスレッド数（{used}）より明らかに速いものはありません。</translation>
    </message>
    <message>
        <source>{processor}, {cores} cores · file {file} · memory held {memory} · {when}</source>
        <translation>{processor}、{cores}コア · ファイル {file} · 使用メモリ {memory} · {when}</translation>
    </message>
    <message>
        <source>Answer with {count} threads from now on</source>
        <translation>今後は{count}スレッドで回答する</translation>
    </message>
    <message>
        <source>Writing an answer (median, range of the repeats)</source>
        <translation>回答を書く速さ（中央値と範囲）</translation>
    </message>
    <message>
        <source>Reading a prompt (median, range of the repeats)</source>
        <translation>質問文を読む速さ（中央値と範囲）</translation>
    </message>
    <message>
        <source>Written, tokens/s</source>
        <translation>書く速さ（トークン/秒）</translation>
    </message>
    <message>
        <source>Read, tokens/s</source>
        <translation>読む速さ（トークン/秒）</translation>
    </message>
    <message>
        <source>First token, s</source>
        <translation>最初の文字まで（秒）</translation>
    </message>
    <message>
        <source>Tokens of the prompt</source>
        <translation>質問文のトークン数</translation>
    </message>
    <message>
        <source>Threads</source>
        <translation>スレッド数</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>モデル</translation>
    </message>
    <message>
        <source>Fastest threads</source>
        <translation>最速のスレッド数</translation>
    </message>
    <message>
        <source>Memory</source>
        <translation>メモリ</translation>
    </message>
    <message>
        <source>Measured</source>
        <translation>測定日時</translation>
    </message>
</context>
<context>
    <name>SpeedPlot</name>
    <message>
        <source>tokens of the prompt</source>
        <translation>質問文のトークン数</translation>
    </message>
    <message>
        <source>tokens/s</source>
        <translation>トークン/秒</translation>
    </message>
    <message>
        <source>{tokens} tokens: {median} tokens/s ({low} to {high})</source>
        <translation>{tokens}トークン：{median}トークン/秒（{low}〜{high}）</translation>
    </message>
</context>
<context>
    <name>StatusLine</name>
    <message>
        <source>{speed} tok/s</source>
        <translation>{speed} トークン/秒</translation>
    </message>
    <message>
        <source>Checking connections…</source>
        <translation>通信を確認しています…</translation>
    </message>
    <message>
        <source>Offline · 0 connections</source>
        <translation>オフライン · 通信 0</translation>
    </message>
    <message>
        <source>1 connection open</source>
        <translation>通信あり · 1 件</translation>
    </message>
    <message>
        <source>{count} connections open</source>
        <translation>通信あり · {count} 件</translation>
    </message>
    <message>
        <source>Inro needs no network. Tell your administrator.</source>
        <translation>Inro は通信を必要としません。管理者に連絡してください。</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>モデル</translation>
    </message>
    <message>
        <source>{model} · starting the engine…</source>
        <translation>{model} · エンジン起動中…</translation>
    </message>
    <message>
        <source>{model} · loading {percent} %</source>
        <translation>{model} · 読み込み中 {percent} %</translation>
    </message>
    <message>
        <source>{model} · not available</source>
        <translation>{model} · 使用できません</translation>
    </message>
    <message>
        <source>{model} · ready</source>
        <translation>{model} · 準備完了</translation>
    </message>
    <message>
        <source>Memory {amount}</source>
        <translation>メモリ {amount}</translation>
    </message>
    <message>
        <source>1 thread</source>
        <translation>CPU 1 スレッド</translation>
    </message>
    <message>
        <source>{count} threads</source>
        <translation>CPU {count} スレッド</translation>
    </message>
</context>
<context>
    <name>Table</name>
    <message>
        <source>Copy</source>
        <translation>コピー</translation>
    </message>
</context>
<context>
    <name>_Lines</name>
    <message>
        <source>No.</source>
        <translation>番号</translation>
    </message>
    <message>
        <source>Time</source>
        <translation>日時</translation>
    </message>
    <message>
        <source>User</source>
        <translation>ユーザー</translation>
    </message>
    <message>
        <source>What was done</source>
        <translation>操作の内容</translation>
    </message>
</context>
</TS>
